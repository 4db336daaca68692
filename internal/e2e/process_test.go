//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// process is a program that a test started. It ends with the test, if not before.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr transcript
	donec          chan struct{} // closed when the process has been reaped
}

func (p *process) finish() {
	p.kill()
	for _, trouble := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if strings.Contains(p.stderr.all(), trouble) {
			p.t.Errorf("%s: %s", p.cmd.Args[0], trouble)
		}
	}
	if p.t.Failed() {
		p.t.Logf("pid %d, %s:\n%s%s", p.pid(), p.cmd.ProcessState, p.stdout.tail(), p.stderr.tail())
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("%s: %v", sig, err)
	}
}

// kill ends the process at once, and returns when it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.donec
}

// stop asks the process to end, and returns when it is gone.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	p.exitCode()
}

func (p *process) ended() bool {
	select {
	case <-p.donec:
		return true
	default:
		return false
	}
}

// exitCode waits for the process to end by itself.
func (p *process) exitCode() int {
	p.t.Helper()
	select {
	case <-p.donec:
	case <-time.After(testkit.Patience):
		p.t.Fatalf("pid %d still runs", p.pid())
	}
	return p.cmd.ProcessState.ExitCode()
}

// wantExit wants the process to end by itself with this code.
func (p *process) wantExit(code int) {
	p.t.Helper()
	if got := p.exitCode(); got != code {
		p.t.Errorf("%s: exit code %d, want %d", p.cmd.ProcessState, got, code)
	}
}

// output returns the lines that the process has written, standard output first.
func (p *process) output() string { return p.stdout.String() + p.stderr.String() }

// outputCount counts how often a text is in the output.
func (p *process) outputCount(text string) int { return strings.Count(p.output(), text) }

// awaitOutput waits until a text is in the output n times.
func (p *process) awaitOutput(n int, text string) {
	p.t.Helper()
	p.awaitOutputWithin(testkit.Patience, n, text)
}

func (p *process) awaitOutputWithin(limit time.Duration, n int, text string) {
	p.t.Helper()
	testkit.Within(p.t, limit, fmt.Sprintf("%q %d times in the output", text, n), func() bool { return p.outputCount(text) >= n })
}

// start starts a command, and fails the test if the race detector reports on it.
// Its output is kept, unless the command has outputs of its own.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, donec: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.stderr
	}
	// So that nothing is left when the test binary runs into its time limit. It is
	// sent when the thread ends that started the process, so no test may end one.
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.WaitDelay = testkit.Patience // what it started itself may hold its outputs open
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.donec)
	}()
	t.Cleanup(p.finish)
	return p
}

// transcript keeps what is written to it. It is safe for concurrent use.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *transcript) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

// String returns the whole lines. The rest of the last line may still be under way
// through the pipe, and a test that reads half an address would use it.
func (s *transcript) String() string {
	text := s.all()
	return text[:strings.LastIndexByte(text, '\n')+1]
}

// all returns everything that was written, also an unfinished line.
func (s *transcript) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// tail returns the end of a text that may be too long to read.
func (s *transcript) tail() string {
	const most = 16 << 10
	text := s.all()
	if len(text) > most {
		return "...\n" + text[len(text)-most:]
	}
	return text
}
