package main

import (
	"context"
	"os/exec"
	"runtime/debug"
)

// fasthttpPeer is a proxy made of fasthttp's server and client, in a process of its
// own: this program, started again.
func fasthttpPeer() *peer {
	return &peer{
		name:    "fasthttp",
		listens: []string{l7Listener},
		find: func(context.Context, *bed) (string, error) {
			return "fasthttp " + moduleVersion("github.com/valyala/fasthttp"), nil
		},
		command: func(b *bed, _ string, l listeners) (*exec.Cmd, error) {
			return exec.Command(b.self, append([]string{roleFasthttp, l[l7Listener][0]}, b.backends...)...), nil
		},
	}
}

// moduleVersion returns the version of a module that this program is built with.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of unknown version"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "of unknown version"
}
