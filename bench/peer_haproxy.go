package main

import (
	"context"
	"os/exec"
	"path/filepath"
)

func haproxyPeer() *peer {
	return &peer{
		name:     "haproxy",
		packages: "haproxy",
		listens:  []string{l4Listener, l7Listener},
		endsTLS:  []string{tlsListener, rsaListener},
		find:     findHAProxy,
		command:  haproxyCommand,
	}
}

func findHAProxy(ctx context.Context, _ *bed) (string, error) {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		return "", errNotOnPath("haproxy")
	}
	return firstLine(ctx, path, "-v")
}

// haproxyCommand runs it in the foreground, as one process with a thread for
// each processor, which is its default.
func haproxyCommand(b *bed, dir string, l listeners) (*exec.Cmd, error) {
	file := filepath.Join(dir, "haproxy.cfg")
	if err := b.render("haproxy.cfg.tmpl", file, newPeerConfig(b, dir, l)); err != nil {
		return nil, err
	}
	return exec.Command("haproxy", "-db", "-f", file), nil
}
