//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The backends that the tests put behind the program are this test binary, started
// again in a role.
const (
	roleVariable = "FOURSEVEN_TEST_ROLE"
	roleBackend  = "backend"
)

// patience bounds what a test waits for where it measures nothing: a loaded
// machine may be slow.
const patience = 20 * time.Second

// program is the path of the fourseven under test. TestMain builds it once, with the
// race detector if the tests run under it.
var program string

// self is the path of the test binary.
var self string

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == roleBackend {
		os.Exit(runBackend(os.Args[1], os.Args[2]))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if self, err = os.Executable(); err != nil {
		return failed(err)
	}
	dir, err := os.MkdirTemp("", "fourseven-e2e-")
	if err != nil {
		return failed(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chdir("../.."); err != nil { // the tests name files as the README does
		return failed(err)
	}
	program = filepath.Join(dir, "fourseven")
	args := []string{"build", "-o", program}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, ".")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return failed(fmt.Errorf("go build: %w", err))
	}
	return m.Run()
}

// failed reports what keeps the tests, or a backend, from running.
func failed(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}

// need skips the test where a program is not there, or fails it in CI.
func need(t *testing.T, program, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, fmt.Sprintf("%s, from the Debian package %s", program, debianPackage))
	}
}

// process is a program that a test started. It ends with the test, if not before.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr transcript
	donec          chan struct{} // closed when the process has been reaped
}

// start starts a command, and fails the test if the race detector reports on it.
// What it says is kept, unless the command has outputs of its own.
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
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

func (p *process) finish() {
	p.kill()
	for _, trouble := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if strings.Contains(p.stderr.String(), trouble) {
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
	case <-time.After(patience):
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

// output returns what the process has said, with its standard output first.
func (p *process) output() string { return p.stdout.String() + p.stderr.String() }

// said counts how often a text is in the output.
func (p *process) said(text string) int { return strings.Count(p.output(), text) }

// awaitSaid waits until a text is in the output n times.
func (p *process) awaitSaid(n int, text string, within time.Duration) {
	p.t.Helper()
	waitUntil(p.t, within, fmt.Sprintf("%q to be said %d times", text, n), func() bool { return p.said(text) >= n })
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

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// tail returns the end of a text that may be too long to read.
func (s *transcript) tail() string {
	const most = 16 << 10
	text := s.String()
	if len(text) > most {
		return "...\n" + text[len(text)-most:]
	}
	return text
}

// waitUntil polls for a condition that other processes bring about.
func waitUntil(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			if !ok() {
				t.Fatalf("waited %s for %s", within, what)
			}
			return
		case <-tick.C:
		}
	}
}

// fourseven returns a command that runs the program under test, with no LB_ variables
// but these settings.
func fourseven(settings []string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "LB_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	// A program under the race detector would sleep a second before it exits.
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=10")
	cmd.Env = append(cmd.Env, settings...)
	return cmd
}

// quick are settings under which a process listens on free ports of the loopback
// address alone, and notices changes of its backends soon.
func quick(settings ...string) []string {
	return append([]string{
		"LB_L4_LISTEN=127.0.0.1:0", "LB_L7_LISTEN=127.0.0.1:0", "LB_ADMIN_LISTEN=127.0.0.1:0",
		"LB_HEALTH_INTERVAL=" + interval.String(), "LB_HEALTH_FAST_INTERVAL=" + fastInterval.String(),
	}, settings...)
}

// The intervals of health checks under quick settings, and what a loaded machine
// is allowed on top of any of them.
const (
	interval     = time.Second
	fastInterval = 200 * time.Millisecond
	margin       = 1500 * time.Millisecond
)

// finished runs the program to its end.
func finished(t *testing.T, settings []string, args ...string) *process {
	t.Helper()
	p := start(t, fourseven(settings, args...))
	p.exitCode()
	return p
}

// balancer is a running fourseven.
type balancer struct {
	*process
	l4, l7, admin string // addresses; empty where it is off
}

// serve starts fourseven under quick settings and these.
func serve(t *testing.T, settings ...string) *balancer {
	t.Helper()
	return listening(t, fourseven(quick(settings...)))
}

// listening starts fourseven by a command and returns when it listens. Its admin
// listener, which opens last, must be on.
func listening(t *testing.T, cmd *exec.Cmd) *balancer {
	t.Helper()
	b := &balancer{process: start(t, cmd)}
	waitUntil(t, patience, "fourseven to listen", func() bool {
		for _, m := range listeningLine.FindAllStringSubmatch(b.output(), -1) {
			*map[string]*string{"l4": &b.l4, "l7": &b.l7, "admin": &b.admin}[m[1]] = m[2]
		}
		if b.ended() {
			t.Fatalf("%s instead of listening", b.cmd.ProcessState)
		}
		return b.admin != ""
	})
	return b
}

// ready starts fourseven by a command, on addresses that it need not tell, and
// returns when it is ready.
func ready(t *testing.T, cmd *exec.Cmd) *balancer {
	t.Helper()
	b := &balancer{l4: freeAddr(t), l7: freeAddr(t), admin: freeAddr(t)}
	cmd.Env = append(cmd.Env, "LB_L4_LISTEN="+b.l4, "LB_L7_LISTEN="+b.l7, "LB_ADMIN_LISTEN="+b.admin)
	b.process = start(t, cmd)
	waitUntil(t, patience, "fourseven to be ready", func() bool {
		a, err := ask(b.admin, "/readyz")
		return err == nil && a.status == http.StatusOK
	})
	return b
}

var listeningLine = regexp.MustCompile(`msg=listening frontend=(l4|l7|admin) addr=(\S+)`)

// awaitHealthy waits until just these backends may take traffic.
func (b *balancer) awaitHealthy(within time.Duration, addrs ...string) {
	b.t.Helper()
	want := strings.Join(addrs, ",")
	waitUntil(b.t, within, fmt.Sprintf("the healthy set %q", want), func() bool {
		all := healthyLine.FindAllStringSubmatch(b.output(), -1)
		return len(all) > 0 && strings.Trim(all[len(all)-1][1], `"`) == want
	})
}

var healthyLine = regexp.MustCompile(`msg="healthy set" up=\d+ of=\d+ backends=(\S+)\n`)

// freeAddr returns an address that nobody listens on, and that no connection on
// this machine takes for its own end meanwhile: Linux gives those ports from 32768.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.N(12000)))
		if err == nil {
			defer func() { _ = ln.Close() }()
			return ln.Addr().String()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
	t.Fatal("no free port in 100 tries")
	return ""
}
