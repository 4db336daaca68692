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
		endsTLS: []string{tlsListener, rsaListener},
		find: func(ctx context.Context, b *bed) (string, error) {
			return firstLine(ctx, b.bin, "version")
		},
		command: func(b *bed, _ string, l listeners) (*exec.Cmd, error) {
			env := foursevenEnv(os.Environ(), b.backends, l)
			if b.tls {
				return foursevenWithTLS(b, env, l), nil
			}
			cmd := exec.Command(b.bin)
			cmd.Env = env
			return cmd, nil
		},
	}
}

// foursevenWithTLS runs it twice, once as it always is and once with services that end TLS:
// what is plain is measured as it is without them.
func foursevenWithTLS(b *bed, env []string, l listeners) *exec.Cmd {
	cmd := exec.Command("sh", "-c", `env -u LB_L4_LISTEN -u LB_L7_LISTEN "$@" "$0" & exec "$0"`, b.bin,
		"LB_SERVICES=ecdsa,rsa", "LB_L4_TLS=on",
		"LB_ECDSA_L4_LISTEN="+l[tlsListener][0], "LB_ECDSA_TLS_CERT_FILE="+b.pair(ecdsaPair, ".crt"), "LB_ECDSA_TLS_KEY_FILE="+b.pair(ecdsaPair, ".key"),
		"LB_RSA_L4_LISTEN="+l[rsaListener][0], "LB_RSA_TLS_CERT_FILE="+b.pair(rsaPair, ".crt"), "LB_RSA_TLS_KEY_FILE="+b.pair(rsaPair, ".key"),
	)
	cmd.Env = env
	return cmd
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
