package main

import (
	"context"
	"os/exec"
	"runtime"
)

// stdlibPeer is Go's own reverse proxy, in a process of its own: this program,
// started again.
func stdlibPeer() *peer {
	return &peer{
		name:    "stdlib",
		listens: []string{l7Listener},
		find: func(context.Context, *bed) (string, error) {
			return "httputil.ReverseProxy of " + runtime.Version(), nil
		},
		command: func(b *bed, _ string, l listeners) (*exec.Cmd, error) {
			return exec.Command(b.self, append([]string{roleStdlib, l[l7Listener][0]}, b.backends...)...), nil
		},
	}
}
