package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// bed is what all peers share: the backends, the files, the programs.
type bed struct {
	root     string // of the tree
	dir      string // temporary, removed at the end
	self     string // this program
	bin      string // fourseven
	python   string // an interpreter with the packages, "" if there is none
	backends []string
	probes   probes // of the peers' listeners
	tls      bool   // whether peers are to end TLS, too, with the pairs in dir

	process *process // of the backends

	mu       sync.Mutex
	reserved []reservation // guarded by mu; the peers' addresses
}

// newBed makes a directory and starts the backends, or takes t in their place. The
// caller must close it.
func newBed(ctx context.Context, t *target) (*bed, error) {
	b := &bed{}
	err := b.prepare()
	if err == nil {
		err = b.chooseBackends(ctx, t)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bed) chooseBackends(ctx context.Context, t *target) error {
	if t != nil {
		b.backends, b.probes = t.addrs, t.probes()
		return nil
	}
	b.probes = newProbes()
	return b.startBackends(ctx)
}

func (b *bed) prepare() (err error) {
	if b.root, err = moduleRoot(); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if err = raiseOpenFiles(); err != nil {
		return err
	}
	b.dir, err = os.MkdirTemp("", "fourseven-bench-")
	return err
}

// close ends the backends, removes the directory and releases the peers' addresses.
func (b *bed) close() error {
	err := b.process.stop()
	for _, r := range b.reserved {
		r.close()
	}
	if b.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}

// endTLS has the peers that are launched from now on end TLS, too.
func (b *bed) endTLS() error {
	b.tls = true
	return writePairs(b.dir)
}

// pair returns the file of a pair, as writePairs has named it.
func (b *bed) pair(name, suffix string) string { return filepath.Join(b.dir, name+suffix) }

func (b *bed) configs() string { return filepath.Join(b.root, "testdata", "bench") }

func (b *bed) newDir(name string) (string, error) {
	return os.MkdirTemp(b.dir, name+"-")
}

// startBackends starts this program again as the backends, which print where
// they listen.
func (b *bed) startBackends(ctx context.Context) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	cmd := exec.Command(b.self, roleBackends)
	cmd.Stdout = w
	b.process, err = startProcess("the backends", cmd)
	_ = w.Close()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = r.Close() })()
	b.backends, err = readLines(r, backendCount)
	if err != nil {
		return errors.Join(fmt.Errorf("start the backends: %w", err), b.process.err())
	}
	return nil
}

func readLines(r io.Reader, n int) ([]string, error) {
	var lines []string
	scanner := bufio.NewScanner(r)
	for len(lines) < n && scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if len(lines) < n {
		return nil, errors.Join(io.ErrUnexpectedEOF, scanner.Err())
	}
	return lines, nil
}

// build sets b.bin: bin, or if that is empty, fourseven built from the tree.
func (b *bed) build(ctx context.Context, bin string) error {
	if bin != "" {
		path, err := exec.LookPath(bin)
		if err != nil {
			return fmt.Errorf("-bin: %w", err)
		}
		b.bin, err = filepath.Abs(path)
		return err
	}
	b.bin = filepath.Join(b.dir, "fourseven")
	cmd := exec.Command("go", "build", "-o", b.bin, ".")
	cmd.Dir = b.root
	return runToEnd(ctx, "go build", cmd)
}

// runToEnd runs cmd, and ends it with all that it has started if ctx does.
func runToEnd(ctx context.Context, name string, cmd *exec.Cmd) error {
	proc, err := startProcess(name, cmd)
	if err != nil {
		return err
	}
	select {
	case <-proc.done:
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), proc.stop())
	}
	if !cmd.ProcessState.Success() {
		return proc.err()
	}
	return nil
}

// moduleRoot returns the folder of this module's go.mod, at or above the working
// directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module fourseven\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run it inside the fourseven tree: it needs testdata/bench and the sources")
		}
		dir = filepath.Dir(dir)
	}
}
