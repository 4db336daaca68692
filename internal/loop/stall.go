package loop

import (
	"bytes"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// StallAfter is how long a fiber may hold up its loop unnoticed.
	StallAfter = 100 * time.Millisecond
	// watchEvery is the time between two looks at the loops.
	watchEvery = StallAfter / 2
	// dumpEvery is the least time between two stacks: taking one stops the program
	// for a moment.
	dumpEvery = 10 * time.Second
	// dumpMax bounds a dump of all goroutines, in which the fiber's stack is looked
	// for.
	dumpMax = 16 << 20
)

// Stall describes a fiber that held up its loop.
type Stall struct {
	Loop  *Loop
	For   time.Duration // until it was noticed; it may last longer
	Stack []byte        // of the fiber; nil if another one was taken shortly before
}

// pulse is a loop's state for the watch. It changes with each switch to a fiber or back,
// and is odd while the loop is at work.
type pulse struct {
	beat  uint64
	shown atomic.Uint64
	fiber atomic.Uint64 // goroutine of the fiber that runs; 0 is the loop's own
}

// work shows that a new piece of work begins: the loop's own, or the fiber's.
func (p *pulse) work(fiber uint64) {
	p.beat = (p.beat + 2) | 1
	p.fiber.Store(fiber)
	p.shown.Store(p.beat)
}

// rest shows that the loop waits.
func (p *pulse) rest() {
	p.beat = (p.beat | 1) + 1
	p.shown.Store(p.beat)
}

// watch notices loops that are held up. It sleeps while all of them wait.
type watch struct {
	group  *Group
	stalls atomic.Uint64
	asleep atomic.Bool
	wakec  chan struct{}
	endc   chan struct{}
	donec  chan struct{}
	dumped time.Time
}

func newWatch(g *Group) *watch {
	w := &watch{group: g, wakec: make(chan struct{}, 1), endc: make(chan struct{}), donec: make(chan struct{})}
	go w.run()
	return w
}

func (w *watch) end() {
	close(w.endc)
	<-w.donec
}

// wake is called by a loop that goes to work again. Its pulse shows that already.
func (w *watch) wake() {
	if w.asleep.Load() && w.asleep.CompareAndSwap(true, false) {
		w.wakec <- struct{}{} // has room: only the goroutine that made asleep false sends
	}
}

// seen is the watch's record of a loop.
type seen struct {
	beat  uint64
	since time.Time
	told  bool
}

func (w *watch) run() {
	defer close(w.donec)
	last := make([]seen, len(w.group.loops))
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-w.endc:
			return
		case <-ticker.C:
		}
		if w.look(last) {
			continue
		}
		ticker.Stop()
		w.asleep.Store(true)
		// A loop that began to work before it could see asleep does not wake the watch.
		if w.anyAtWork() && w.asleep.CompareAndSwap(true, false) {
			ticker.Reset(watchEvery)
			continue
		}
		select {
		case <-w.endc:
			return
		case <-w.wakec:
		}
		ticker.Reset(watchEvery)
	}
}

func (w *watch) anyAtWork() bool {
	for _, l := range w.group.loops {
		if l.pulse.shown.Load()&1 == 1 {
			return true
		}
	}
	return false
}

// look compares the loops with what was seen of them. It reports whether any of
// them has worked since.
func (w *watch) look(last []seen) (active bool) {
	at := time.Now()
	for i, l := range w.group.loops {
		s := &last[i]
		beat := l.pulse.shown.Load()
		if beat != s.beat {
			*s = seen{beat: beat, since: at}
			active = true
			continue
		}
		if beat&1 == 0 {
			continue
		}
		active = true
		if held := at.Sub(s.since); held >= StallAfter && !s.told {
			s.told = true
			w.tell(l, held)
		}
	}
	return active
}

func (w *watch) tell(l *Loop, held time.Duration) {
	w.stalls.Add(1)
	hook := w.group.config.OnStall
	if hook == nil {
		return
	}
	stall := Stall{Loop: l, For: held}
	if time.Since(w.dumped) >= dumpEvery {
		stall.Stack = stackOf(l.pulse.fiber.Load())
		w.dumped = time.Now()
	}
	hook(stall)
}

// stackOf returns the stack of one goroutine. The runtime shows the stacks of
// all or the caller's own.
func stackOf(id uint64) []byte {
	if id == 0 {
		return nil
	}
	for size := 1 << 20; ; size *= 4 {
		buf := make([]byte, size)
		n := runtime.Stack(buf, true)
		if stack := find(buf[:n], id); stack != nil || n < size || size >= dumpMax {
			return stack
		}
	}
}

// find returns the part of a dump that is about the goroutine.
func find(dump []byte, id uint64) []byte {
	head := append(strconv.AppendUint([]byte("goroutine "), id, 10), " ["...)
	for len(dump) > 0 {
		stack, rest, _ := bytes.Cut(dump, []byte("\n\n"))
		if bytes.HasPrefix(stack, head) {
			return bytes.Clone(stack)
		}
		dump = rest
	}
	return nil
}

// goroutineID returns the number that dumps give the calling goroutine.
func goroutineID() uint64 {
	var buf [32]byte
	fields := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	if len(fields) < 2 {
		return 0
	}
	id, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return id
}
