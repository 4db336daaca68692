package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"text/template"
)

// peerConfig is what the templates in testdata/bench are filled with.
type peerConfig struct {
	L4, L7       string // addresses to listen on
	TLS          bool   // whether there are listeners that end TLS, too
	ECDSA, RSA   tlsConfig
	Backends     []string // addresses
	Dir          string   // for its files
	Processors   int
	OpenFiles    uint64 // limit of descriptors
	MaxConns     uint64 // connections for which that suffices
	User         string // whom workers run as, "" for whom the bench runs as
	StreamModule string // nginx: file of the stream module, "" if it is built in
}

// tlsConfig is a listener that ends TLS, by its certificate and key in files.
type tlsConfig struct{ Addr, PEM, Cert, Key string }

func (b *bed) tlsConfig(addrs []string, pair string) tlsConfig {
	return tlsConfig{addrs[0], b.pair(pair, ".pem"), b.pair(pair, ".crt"), b.pair(pair, ".key")}
}

func newPeerConfig(b *bed, dir string, l listeners) peerConfig {
	conf := peerConfig{
		L4: l[l4Listener][0], L7: l[l7Listener][0],
		Backends: b.backends, Dir: dir,
		Processors: runtime.NumCPU(), OpenFiles: openFiles(), MaxConns: maxConns(openFiles()),
	}
	if conf.TLS = b.tls; b.tls {
		conf.ECDSA, conf.RSA = b.tlsConfig(l[tlsListener], ecdsaPair), b.tlsConfig(l[rsaListener], rsaPair)
	}
	if os.Geteuid() == 0 {
		conf.User = "root" // else what its workers hold could not be read in a container
	}
	return conf
}

// maxConns returns how many connections HAProxy may be told to take, which asks
// for two and a half descriptors for each, and does not start without them.
func maxConns(openFiles uint64) uint64 {
	return min(4096, (max(openFiles, 400)-64)*2/5)
}

// render fills a template of testdata/bench and writes it to file.
func (b *bed) render(name, file string, conf peerConfig) error {
	tmpl, err := template.ParseFiles(filepath.Join(b.configs(), name))
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := tmpl.Execute(f, conf); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func errNotOnPath(program string) error {
	return fmt.Errorf("no %s on PATH", program)
}
