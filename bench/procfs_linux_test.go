package main

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, stat string
		pid, pgid  int
		wantErr    bool
	}{
		{"plain", "42 (nginx) S 1 40 40 0 -1", 42, 40, false},
		{"brackets in the name", "42 (a) S 9 9 (b)) R 1 40 40", 42, 40, false},
		{"no name", "42 nginx S 1 40", 0, 0, true},
		{"cut off", "42 (nginx) S 1", 0, 0, true},
		{"no number", "42 (nginx) S 1 x 40", 0, 0, true},
		{"empty", "", 0, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pid, pgid, err := parseStat([]byte(tt.stat))
			if (err != nil) != tt.wantErr {
				t.Fatalf("error %v, want one: %v", err, tt.wantErr)
			}
			if err == nil && (pid != tt.pid || pgid != tt.pgid) {
				t.Errorf("got %d of %d, want %d of %d", pid, pgid, tt.pid, tt.pgid)
			}
		})
	}
}

// The CPU clock tells the same as /proc/PID/stat, whose unit is 10 ms.
func TestCPUTimeAgreesWithStat(t *testing.T) {
	t.Parallel()
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
	}
	before := statTime(t)
	got, err := cpuTime([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	after := statTime(t)
	if got < before-30*time.Millisecond || got > after+30*time.Millisecond {
		t.Errorf("got %v, want between %v and %v", got, before, after)
	}
	if _, err := cpuTime([]int{1 << 22}); err == nil {
		t.Error("no error for a process that cannot exist")
	}
}

// statTime reads utime and stime of this process.
func statTime(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func TestUsageOfProcess(t *testing.T) {
	pids := []int{os.Getpid()}
	before, err := readUsage(pids)
	if err != nil {
		t.Fatal(err)
	}
	const more = 20
	for range more {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
	}
	held := make([]byte, 16<<20)
	for i := range held {
		held[i] = 1
	}
	after, err := readUsage(pids)
	if err != nil {
		t.Fatal(err)
	}
	if got := after.descriptors - before.descriptors; got < more || got > more+10 {
		t.Errorf("%d descriptors more, want %d", got, more)
	}
	if got := after.resident - before.resident; got < int64(len(held))/2 {
		t.Errorf("%d bytes more, want about %d", got, len(held))
	}
}

// A process is ended with what it has started in turn.
func TestStopEndsTheGroup(t *testing.T) {
	t.Parallel()
	p, err := startProcess("sh", exec.Command("sh", "-c", "sleep 1000 & sleep 1000 & wait"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.stop() })
	members := awaitMembers(t, p.pid(), 3)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range members {
		awaitEnd(t, pid)
	}
	if err := p.err(); err == nil || !strings.Contains(err.Error(), "sh ended (signal: terminated)") {
		t.Errorf("got %v", err)
	}
	var none *process
	if err := none.stop(); err != nil {
		t.Errorf("stop of no process: %v", err)
	}
}

// awaitMembers returns the members of a group as soon as there are n.
func awaitMembers(t *testing.T, pgid, n int) []int {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		pids, err := groupMembers(pgid)
		if err != nil {
			t.Fatal(err)
		}
		if len(pids) >= n && slices.Contains(pids, pgid) {
			return pids
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// awaitEnd waits until the process has ended.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err == syscall.ESRCH {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
	if n != 1 {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	var out tail
	if got := out.String(); got != "it wrote nothing" {
		t.Errorf("got %q", got)
	}
	_, _ = out.Write([]byte(strings.Repeat("x", 3*tailSize)))
	_, _ = out.Write([]byte("the end\n"))
	if got := out.String(); len(got) > tailSize || !strings.HasSuffix(got, "xthe end") {
		t.Errorf("got %d bytes, ending in %q", len(got), got[len(got)-10:])
	}
}
