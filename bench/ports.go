package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the kernel's ephemeral range, so that no outgoing
// connection of the load can take one between the choice and the listen.
const (
	firstPort = 18000
	lastPort  = 31999
)

// freeListeners returns a free loopback address for each name.
func freeListeners(names []string) (listeners, error) {
	addrs := listeners{}
	var held []net.Listener // until all are chosen, so that they differ
	defer func() {
		for _, ln := range held {
			_ = ln.Close()
		}
	}()
	for _, name := range names {
		ln, err := listenAnywhere()
		if err != nil {
			return nil, err
		}
		held = append(held, ln)
		addrs[name] = []string{ln.Addr().String()}
	}
	return addrs, nil
}

func listenAnywhere() (net.Listener, error) {
	var errs []error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return ln, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("find a free port: %w", errors.Join(errs[:3]...))
}
