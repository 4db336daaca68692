package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// startPatience is how long a peer may take until it forwards.
const startPatience = 15 * time.Second

// peer is a program that can stand between a client and the backends.
type peer struct {
	name     string
	packages string // the Debian packages that bring it; "" if it is always there

	// find returns the version of what would be started, or why there is none.
	find func(context.Context, *bed) (string, error)
	// command returns what to run so that it listens on the addresses of l; nil
	// for no proxy at all. It may write files into dir.
	command func(b *bed, dir string, l listeners) (*exec.Cmd, error)
	// listens holds the listeners that it has, and endsTLS those that it has as well where
	// the bed wants them.
	listens, endsTLS []string
}

// listeners are the addresses of a peer by the listener's name. The backends
// are two addresses behind one name.
type listeners map[string][]string

// instance is a peer that runs.
type instance struct {
	process *process // nil for no proxy
	addrs   listeners
	probes  probes
}

// probes holds, for each listener, the operation that shows that it forwards.
type probes map[string]opener

func newProbes() probes {
	overTLS := openEcho(dialTLS)
	return probes{l4Listener: openEcho(dial), l7Listener: openHTTP(smallAnswer), tlsListener: overTLS, rsaListener: overTLS}
}

// stop ends the instance.
func (in *instance) stop() error { return in.process.stop() }

// pids returns all processes of the instance.
func (in *instance) pids() ([]int, error) {
	if in.process == nil {
		return nil, nil
	}
	return groupMembers(in.process.pid())
}

// launch starts p and returns when it forwards on all its listeners.
func (p *peer) launch(ctx context.Context, b *bed) (*instance, error) {
	if p.command == nil {
		return &instance{addrs: listeners{l4Listener: b.backends, l7Listener: b.backends}}, nil
	}
	dir, err := b.newDir(p.name)
	if err != nil {
		return nil, err
	}
	names := p.listens
	if b.tls {
		names = append(names[:len(names):len(names)], p.endsTLS...)
	}
	addrs, err := b.reserveListeners(names)
	if err != nil {
		return nil, err
	}
	cmd, err := p.command(b, dir, addrs)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.name, err)
	}
	in := &instance{addrs: addrs, probes: b.probes}
	if in.process, err = startProcess(p.name, cmd); err != nil {
		return nil, err
	}
	if err := in.awaitForwarding(ctx); err != nil {
		return nil, errors.Join(err, in.stop())
	}
	return in, nil
}

// awaitForwarding returns when one operation has gone through each listener.
func (in *instance) awaitForwarding(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for listener, addrs := range in.addrs {
		if in.probes[listener] == nil {
			continue // nothing goes through it
		}
		if err := in.awaitOne(ctx, in.probes[listener], addrs[0]); err != nil {
			return err
		}
	}
	return nil
}

func (in *instance) awaitOne(ctx context.Context, open opener, addr string) error {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		last := tryOnce(open, addr)
		if last == nil {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-in.process.done:
			return in.process.err()
		case <-ctx.Done():
			return fmt.Errorf("%s does not forward: %w: %s", in.process.name, last, in.process.output)
		}
	}
}

func tryOnce(open opener, addr string) error {
	op, err := open(addr, time.Now().Add(answerPatience))
	if err != nil {
		return err
	}
	defer op.close()
	_, err = op.do()
	return err
}

// firstLine runs a program for its version.
func firstLine(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(name), err, lineOf(out))
	}
	return lineOf(out), nil
}

func lineOf(out []byte) string {
	for i, c := range out {
		if c == '\n' {
			return string(out[:i])
		}
	}
	return string(out)
}
