package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// directPeer is no proxy: its listeners are the backends.
func directPeer() *peer {
	return &peer{
		name: "direct",
		find: func(context.Context, *bed) (string, error) { return "no proxy", nil },
	}
}

// foursevenPeer is the program of this module, with its defaults but for the
// addresses, and a tcp probe, because the backends are not only HTTP.
func foursevenPeer() *peer {
	return &peer{
		name:    subject,
		listens: []string{l4Listener, l7Listener},
		find: func(ctx context.Context, b *bed) (string, error) {
			return firstLine(ctx, b.bin, "version")
		},
		command: func(b *bed, _ string, l listeners) (*exec.Cmd, error) {
			cmd := exec.Command(b.bin)
			cmd.Env = foursevenEnv(os.Environ(), b.backends, l)
			return cmd, nil
		},
	}
}

// foursevenEnv returns environ with the settings, and without any other.
func foursevenEnv(environ, backends []string, l listeners) []string {
	env := keep(environ, func(v string) bool { return !strings.HasPrefix(v, "LB_") })
	return append(env,
		"LB_BACKENDS="+strings.Join(backends, ","),
		"LB_L4_LISTEN="+l[l4Listener][0],
		"LB_L7_LISTEN="+l[l7Listener][0],
		"LB_ADMIN_LISTEN=off",
		"LB_HEALTH_CHECK=tcp",
		"LB_LOG_LEVEL=warn",
	)
}
