package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// tlsName is the name in the certificates.
const tlsName = "bench.example"

// The pairs of peers that end TLS: name.pem has the certificate and then the key, as
// HAProxy reads it, and name.crt and name.key have one each.
const (
	ecdsaPair = "ecdsa"
	rsaPair   = "rsa"
)

// writePairs writes the pairs into a directory.
func writePairs(dir string) error {
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if err := writePair(dir, ecdsaPair, ecdsaKey); err != nil {
		return err
	}
	return writePair(dir, rsaPair, rsaKey)
}

func writePair(dir, name string, key crypto.Signer) error {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: tlsName}, DNSNames: []string{tlsName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
	for suffix, content := range map[string][]byte{".crt": cert, ".key": private, ".pem": append(cert[:len(cert):len(cert)], private...)} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
