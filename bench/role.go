package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// The roles in which this program starts itself again. They stand where a flag
// would, and no flag is spelled so.
const (
	roleBackends = "role:backends"
	roleStdlib   = "role:stdlib"
	roleFasthttp = "role:fasthttp"
)

// rolePeer returns the peer that is an HTTP proxy in a process of its own: this program,
// started again in role.
func rolePeer(name, role string, version func() string) *peer {
	return &peer{
		name:    name,
		listens: []string{l7Listener},
		find:    func(context.Context, *bed) (string, error) { return version(), nil },
		command: func(b *bed, _ string, l listeners) (*exec.Cmd, error) {
			return exec.Command(b.self, append([]string{role, l[l7Listener][0]}, b.backends...)...), nil
		},
	}
}

// runRole plays the role that args name, until it is killed. ok is false if they
// name none.
func runRole(args []string) (code int, ok bool) {
	if len(args) == 0 {
		return 0, false
	}
	var err error
	switch args[0] {
	case roleBackends:
		err = serveBackends(os.Stdout)
	case roleStdlib:
		err = serveProxy(args, serveStdlib)
	case roleFasthttp:
		err = serveProxy(args, serveFasthttp)
	default:
		return 0, false
	}
	_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
	return exitFailure, true
}

// serveProxy calls serve with the address and the backends that follow the role in args.
func serveProxy(args []string, serve func(addr string, backends []string) error) error {
	if len(args) < 3 {
		return errors.New(args[0] + ": expected an address to listen on and the backends")
	}
	return serve(args[1], args[2:])
}
