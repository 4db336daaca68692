package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How long a process may take to end by itself, and how long its output may
// then be held open by processes that it started.
const (
	stopPatience   = 3 * time.Second
	outputPatience = 500 * time.Millisecond
)

// process is a program that was started here, the leader of a process group of
// its own, so that the terminal's Ctrl-C does not reach it and what it starts in
// turn can be found and ended.
type process struct {
	name   string
	cmd    *exec.Cmd
	output *tail
	done   chan struct{} // closed when it has ended
}

// startProcess starts cmd. The caller must stop the result.
func startProcess(name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, output: &tail{}, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.output
	}
	cmd.Stderr = p.output
	cmd.WaitDelay = outputPatience
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.reap()
	return p, nil
}

func (p *process) reap() {
	_ = p.cmd.Wait() // how it ended is told by err
	close(p.done)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// err returns nil while the process runs, and then how it ended.
func (p *process) err() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended (%v): %s", p.name, p.cmd.ProcessState, p.output)
	default:
		return nil
	}
}

// stop ends the process and every other of its group, and waits for it. A nil
// process is no process.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	p.signalGroup(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopPatience):
	}
	p.signalGroup(syscall.SIGKILL) // also what the leader has left behind
	select {
	case <-p.done:
		return nil
	case <-time.After(stopPatience):
		return fmt.Errorf("stop %s: process %d does not end", p.name, p.pid())
	}
}

func (p *process) signalGroup(sig syscall.Signal) {
	_ = syscall.Kill(-p.pid(), sig) // ESRCH: nothing is left
}

// stopAll ends the processes at the same time.
func stopAll(processes []*process) error {
	errs := make([]error, len(processes))
	var wg sync.WaitGroup
	for i, p := range processes {
		wg.Go(func() { errs[i] = p.stop() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// tailSize is how much of a process's output is kept.
const tailSize = 2000

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(p), nil
}

// String returns the end of the output, or that there was none.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := strings.TrimSpace(string(t.text)); s != "" {
		return s
	}
	return "it wrote nothing"
}
