//go:build linux

package e2e

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
)

// TestReload pins that SIGHUP takes the list from its file: addresses that leave
// get no new connections, what lives goes on, a list with a fault is refused whole,
// and the settings shown are those that hold.
func TestReload(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 3)
	path := filepath.Join(t.TempDir(), "backends")
	list := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list(b[0].addr + "," + b[1].addr)
	lb := serve(t, "LB_BACKENDS_FILE="+path)
	live := dial(t, lb.l4)
	request(t, live, "/slow?body=60s")
	if _, err := live.Read(make([]byte, 1)); err != nil { // it has had its turn
		t.Fatal(err)
	}
	if got := servedBy(t, lb.l4, lb.l4); got != "21" {
		t.Fatalf("answers from %s, want 21", got)
	}

	list(b[1].addr + "," + b[2].addr)
	lb.signal(syscall.SIGHUP)
	lb.awaitOutput(1, "msg=reloaded")
	lb.awaitHealthy(testkit.Patience, b[1].addr, b[2].addr)
	wantTexts(t, "/api/config", mustAsk(t, lb.admin, "/api/config"), []string{`"value":"` + b[1].addr + "," + b[2].addr + `"`})
	if got := servedBy(t, lb.l4, lb.l7, lb.l4, lb.l7); got != "2323" && got != "3232" {
		t.Errorf("answers from %s, want 2 and 3 in turn", got)
	}
	if _, err := io.ReadFull(live, make([]byte, 4<<10)); err != nil { // takes more than a second
		t.Errorf("the connection to a backend that left: %v", err)
	}
	_ = live.Close()

	list(b[0].addr + ",nonsense," + b[2].addr + ";weight=x")
	lb.signal(syscall.SIGHUP)
	lb.awaitOutput(1, `msg="reload refused"`)
	wantTexts(t, "the log", lb.output(), []string{`entry \"nonsense\": expected host:port`, `weight=x: expected a whole number`})
	if got := servedBy(t, lb.l4, lb.l7); got != "23" && got != "32" {
		t.Errorf("after a list that was refused: answers from %s", got)
	}
	lb.stop()
}

// TestReloadWithoutFile pins that SIGHUP does not end a process that has nothing
// to read again.
func TestReloadWithoutFile(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 1)))
	lb.signal(syscall.SIGHUP)
	lb.awaitOutput(1, `msg="reload ignored"`)
	if got := servedBy(t, lb.l4, lb.l7); got != "11" {
		t.Errorf("answers from %s, want 11", got)
	}
	lb.stop()
}

// TestOwnListener pins that a backend which is the process itself is a fault at the start,
// and in a list that is read again.
func TestOwnListener(t *testing.T) {
	t.Parallel()
	own := testkit.ReserveAddr(t)
	p := finished(t, quick("LB_L4_LISTEN="+own, "LB_BACKENDS="+own))
	p.wantExit(2)
	wantTexts(t, "the error", p.output(), []string{"this process's own listener LB_L4_LISTEN=" + own})

	b := startBackends(t, 1)
	path := filepath.Join(t.TempDir(), "backends")
	if err := os.WriteFile(path, []byte(b[0].addr), 0o600); err != nil {
		t.Fatal(err)
	}
	lb := serve(t, "LB_L4_LISTEN="+own, "LB_BACKENDS_FILE="+path)
	if err := os.WriteFile(path, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	lb.signal(syscall.SIGHUP)
	lb.awaitOutput(1, `msg="reload refused"`)
	if got := servedBy(t, lb.l4, lb.l7); got != "11" {
		t.Errorf("answers from %s, want 11", got)
	}
	lb.stop()
}

// TestReloadFromStuckFile pins that a list whose file cannot be read, here a FIFO that
// nobody writes to, is refused, and does not keep the process from ending.
func TestReloadFromStuckFile(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 1)[0]
	path := filepath.Join(t.TempDir(), "backends")
	if err := os.WriteFile(path, []byte(b.addr+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lb := serve(t, "LB_BACKENDS_FILE="+path)
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(path, os.O_RDWR, 0) // a writer that writes nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	lb.signal(syscall.SIGHUP)
	lb.awaitOutput(1, "not read within 5s")
	if got := servedBy(t, lb.l4); got != "1" {
		t.Errorf("after the refused list: answers from %q", got)
	}
	lb.signal(syscall.SIGHUP) // a second one is being read when the end comes
	lb.stop()
}
