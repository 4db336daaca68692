//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestOneProcessor pins that a process with one processor, or with a quota of half of
// one, serves traffic and its admin pages beside a sender of bulk: its one event loop
// keeps a thread of the scheduler, and everything else needs another.
func TestOneProcessor(t *testing.T) {
	for _, quota := range []time.Duration{0, 50 * time.Millisecond} {
		t.Run(quota.String(), func(t *testing.T) {
			backends := startBackends(t, 2)
			lb := serve(t, backendsOf(backends), "GOMAXPROCS=1")
			if quota > 0 {
				limitProcessor(t, lb, quota)
			}
			bulk := endless(t, lb.l4)
			donec := make(chan struct{})
			go func() {
				defer close(donec)
				for buf := make([]byte, 64<<10); ; {
					if _, err := bulk.Read(buf); err != nil {
						return
					}
				}
			}()
			var clients sync.WaitGroup
			for range 8 {
				clients.Go(func() {
					for range 20 {
						if got, err := ask(lb.l4, "/"); err != nil || got.status != 200 {
							t.Errorf("status %d, %v", got.status, err)
						}
					}
				})
			}
			clients.Wait()
			if got := mustAsk(t, lb.admin, "/metrics"); !strings.Contains(got, "\ngo_sched_gomaxprocs_threads 2\n") {
				t.Error("GOMAXPROCS is not 2: one for the event loop and one for the rest")
			}
			_ = bulk.Close()
			<-donec
		})
	}
}

// limitProcessor puts a process in a control group with a quota of processor time in
// 100 ms, where the machine lets the test make one.
func limitProcessor(t *testing.T, lb *balancer, quota time.Duration) {
	t.Helper()
	pid := strconv.Itoa(lb.pid())
	name := "fourseven-" + pid
	for _, v := range []struct{ root, file, value string }{
		{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", strconv.FormatInt(quota.Microseconds(), 10)},
		{"/sys/fs/cgroup", "cpu.max", strconv.FormatInt(quota.Microseconds(), 10) + " 100000"},
	} {
		dir := filepath.Join(v.root, name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			lb.kill()
			testkit.Eventually(t, "the control group is empty", func() bool { return os.Remove(dir) == nil })
		})
		err := os.WriteFile(filepath.Join(dir, v.file), []byte(v.value), 0o644)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(pid), 0o644)
		}
		if err == nil {
			return
		}
	}
	t.Skip("no control group can be made here")
}
