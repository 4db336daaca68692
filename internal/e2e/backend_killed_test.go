//go:build linux

package e2e

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestBackendKilledUnderLoad kills a backend under 200 new connections a second. No
// connection made from then on may fail, noticed or not; one made before may have
// been the dead backend's.
func TestBackendKilledUnderLoad(t *testing.T) {
	t.Parallel()
	const rate, before, afterwards = 5 * time.Millisecond, 200, 400
	both := startBackends(t, 2)
	lb := serve(t, backendsOf(both))
	var killed atomic.Bool
	var after atomic.Int64
	var wg sync.WaitGroup
	tick := time.NewTicker(rate)
	defer tick.Stop()
	for i := 0; after.Load() < afterwards; i++ {
		<-tick.C
		if i == before {
			wg.Go(func() { both[0].kill(); killed.Store(true) })
		}
		wg.Go(func() {
			late := killed.Load()
			a, err := ask(lb.l4, "/")
			if late {
				after.Add(1)
			}
			if late && (err != nil || a.status != http.StatusOK || a.body != "backend 2\n") {
				t.Errorf("status %d %q, %v", a.status, a.body, err)
			}
		})
	}
	wg.Wait()
	lb.awaitHealthy(0, both[1].addr)
}

// TestBackendReturnsWhenAllAreDown pins that a backend which returns when all are down is served
// from as soon as a probe can know.
func TestBackendReturnsWhenAllAreDown(t *testing.T) {
	t.Parallel()
	both := startBackends(t, 2)
	lb := serve(t, backendsOf(both), "LB_HEALTH_INTERVAL=1h") // the fast interval alone rules
	for _, b := range both {
		b.kill()
	}
	wantResetAtOnce(t, lb.l4) // makes them suspect
	lb.awaitHealthy(2*fastInterval + margin)
	wantResetAtOnce(t, lb.l4)
	both[1].start(t)
	testkit.Within(t, fastInterval+margin, "an answer over L4 and L7", func() bool {
		l4, err4 := ask(lb.l4, "/")
		l7, err7 := ask(lb.l7, "/")
		return err4 == nil && err7 == nil && l4.body == "backend 2\n" && l7.body == "backend 2\n"
	})
}
