package tlsconf

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

var (
	errNoCertificate = errors.New("no certificate in PEM")
	errCut           = errors.New("a block of the PEM is cut or damaged")
)

// loadPair returns a certificate with its chain and its key. tls.X509KeyPair looks at the
// chain's first certificate alone.
func loadPair(cert, key []byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return pair, err
	}
	_, err = ParseCertificates(cert)
	return pair, err
}

// ParseCertificates returns the certificates in PEM text, of which there must be one. Text
// between them is ignored, and so are keys: they may be in one file. What begins must end:
// of a file that is cut, the first certificates are not all that was meant.
func ParseCertificates(text []byte) (all []*x509.Certificate, err error) {
	begun, ended := bytes.Count(text, []byte("-----BEGIN ")), 0
	for ; ; ended++ {
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
	switch {
	case len(all) == 0:
		return nil, errNoCertificate
	case ended < begun:
		return nil, errCut
	}
	return all, nil
}
