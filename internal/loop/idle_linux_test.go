//go:build !portable

package loop

import (
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// An idle relay whose fibers have ended holds two descriptors and less than 1 KiB,
// no goroutine, no timer and no pipe.
func TestIdleRelayIsSmall(t *testing.T) {
	const relays = 500
	l := oneLoop(t)
	backend := listen(t) // the kernel's queue holds the other ends: they take no memory here
	var mine [relays]*relay
	connect := func(i int) {
		c, err := l.Dial(t.Context(), addrOf(backend), wait)
		if err != nil {
			t.Error(err)
			return
		}
		b, err := l.Dial(t.Context(), addrOf(backend), wait)
		if err != nil {
			t.Error(err)
			return
		}
		mine[i] = &relay{client: c, backend: b}
		mine[i].wait(c, b)
		mine[i].wait(b, c)
	}
	before := inUse()
	in(t, l, func() {
		for i := range relays {
			connect(i)
		}
	})
	if size := unsafe.Sizeof(Conn{}); size > 288 {
		t.Errorf("a Conn has %d bytes", size)
	}
	in(t, l, func() {
		if len(l.copying) > 0 || l.fibers != 1 {
			t.Errorf("%d connections are copied by %d fibers", len(l.copying), l.fibers)
		}
	})
	eventually(t, "the loop has nothing to do", func() (rests bool) {
		in(t, l, func() { rests = len(l.spare) == 0 && !l.sweeping.set() || len(l.spare) <= 2 })
		return rests
	})
	per := (inUse() - before) / relays
	t.Logf("%d bytes a relay, %d of them its connections", per, 2*unsafe.Sizeof(Conn{}))
	if per > 1024 {
		t.Errorf("an idle relay holds %d bytes", per)
	}
	if n := l.Conns(); n != 2*relays {
		t.Errorf("%d connections, want %d", n, 2*relays)
	}
}

// inUse returns the bytes that are in use, stacks included.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// A loop with nothing but idle connections does nothing: it has no timer.
func TestIdleLoopSleeps(t *testing.T) {
	g := newGroup(t, Config{Loops: 1})
	l := g.Loops()[0]
	c, _ := pair(t, l)
	in(t, l, func() { c.OnReadable(func() {}) })
	rests := func() bool {
		beat := l.pulse.shown.Load()
		time.Sleep(3 * sweepEvery)
		return l.pulse.shown.Load() == beat && beat&1 == 0 && g.watch.asleep.Load()
	}
	eventually(t, "the loop sleeps for good", rests)
}
