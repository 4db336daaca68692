package tlsconf

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

var errNoCertificate = errors.New("no certificate in PEM")

// ParseCertificates returns the certificates in PEM text, of which there must be one. Text
// between them is ignored, and so are keys: they may be in one file.
func ParseCertificates(text []byte) (all []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, errNoCertificate
	}
	return all, nil
}
