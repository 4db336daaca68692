//go:build !portable

package loop

import (
	"iter"
	"runtime/debug"
	"time"
)

// spareMax is how many fibers a loop keeps for next functions.
const spareMax = 256

// fiber is straight-line code that runs inside a loop. It waits with park, and
// goes on when the loop resumes it: a direct switch between two goroutines
// (iter.Pull), without the scheduler. Only the loop resumes fibers, never another
// fiber, so that none is resumed while it runs.
type fiber struct {
	loop    *Loop
	fn      func()
	conn    *Conn // that a panic of fn ends
	next    func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool
	parked  bool   // and not on its way to be resumed
	id      uint64 // of its goroutine
	sleeper timer
}

// Go starts fn as a fiber of the loop, soon. It reports whether it will be: not
// once the Group is closed. Any goroutine may call it.
func (l *Loop) Go(fn func()) bool { return l.queue.post(op{kind: opGo, fn: fn}) }

// Go starts fn as a fiber of the connection's loop, which fn is to serve: if it
// panics, the connection is reset. Any goroutine may call it.
func (c *Conn) Go(fn func()) bool { return c.Loop().queue.post(op{kind: opGo, conn: c, fn: fn}) }

// Sleep lets d pass. It returns ErrClosed, at once, if the Group is being closed.
func (l *Loop) Sleep(d time.Duration) error {
	f := l.current()
	end := now() + int64(d)
	for !l.closing && now() < end {
		l.timers.set(&f.sleeper, end)
		l.park()
	}
	l.timers.unset(&f.sleeper)
	if l.closing {
		return ErrClosed
	}
	return nil
}

// Yield lets the loop's other fibers and connections go first. Code that computes
// for long calls it.
func (l *Loop) Yield() {
	l.later = append(l.later, l.current())
	l.running.yield(struct{}{})
}

// Await runs f in a goroutine of its own and waits for it: for name lookups, files,
// locks, and whatever else blocks. A panic of f becomes the fiber's. Closing the
// Group does not end it.
func (l *Loop) Await(f func()) {
	fb := l.current()
	done := false
	var crash any
	finish := func() { done = true; l.wake(fb) }
	go func() {
		defer func() {
			crash = recover()
			l.queue.post(op{kind: opCall, fn: finish})
		}()
		f()
	}()
	for !done {
		l.park()
	}
	if crash != nil {
		panic(crash)
	}
}

// current returns the fiber that calls.
func (l *Loop) current() *fiber {
	if l.running == nil {
		panic(errNoFiber)
	}
	return l.running
}

// park waits until the fiber is woken. That may happen for another reason than the
// one it waits for.
func (l *Loop) park() {
	f := l.current()
	f.parked = true
	f.yield(struct{}{})
}

// wake has a fiber resumed that is parked; nil is none.
func (l *Loop) wake(f *fiber) {
	if f != nil && f.parked {
		f.parked = false
		l.ready = append(l.ready, f)
	}
}

// runReady resumes fibers until all wait.
func (l *Loop) runReady() {
	for i := 0; i < len(l.ready); i++ {
		f := l.ready[i]
		l.ready[i] = nil
		if f != nil { // else it has run, before one that called runtime.Goexit
			l.resume(f)
		}
	}
	l.ready = l.ready[:0]
}

func (l *Loop) resume(f *fiber) {
	l.running, l.spent = f, 0
	l.pulse.work(f.id)
	f.next()
	l.running = nil
	l.pulse.work(0)
}

// spawn makes a fiber ready to run fn, for the connection if there is one.
func (l *Loop) spawn(c *Conn, fn func()) {
	var f *fiber
	if n := len(l.spare) - 1; n >= 0 {
		f, l.spare[n] = l.spare[n], nil
		l.spare = l.spare[:n]
		l.idle = min(l.idle, n)
	} else {
		f = newFiber(l)
	}
	f.fn, f.conn = fn, c
	l.fibers++
	l.ready = append(l.ready, f)
}

func newFiber(l *Loop) *fiber {
	f := &fiber{loop: l}
	f.sleeper.fiber = f
	f.next, f.stop = iter.Pull(func(yield func(struct{}) bool) {
		f.yield, f.id = yield, goroutineID()
		l.pulse.fiber.Store(f.id) // resume did not know it
		f.run()
	})
	return f
}

// run serves functions until there are enough spare fibers.
func (f *fiber) run() {
	l := f.loop
	for {
		f.call()
		f.fn, f.conn = nil, nil
		l.fibers--
		if len(l.spare) == spareMax {
			return
		}
		l.spare = append(l.spare, f)
		l.keepSweeping()
		if !f.yield(struct{}{}) {
			return
		}
	}
}

// call runs the function. If it panics, its connection is reset.
func (f *fiber) call() {
	defer func() {
		if v := recover(); v != nil {
			if f.conn != nil {
				_ = f.conn.Reset()
			}
			f.loop.group.crashed(v, debug.Stack())
		}
	}()
	f.fn()
}

// lost forgets a fiber that has called runtime.Goexit, as testing.T.FailNow does.
func (l *Loop) lost(f *fiber) {
	l.running = nil
	l.fibers--
	if f.conn != nil {
		_ = f.conn.Reset()
	}
}

// endSpare ends spare fibers but for the number to keep.
func (l *Loop) endSpare(keep int) {
	for n := len(l.spare) - 1; n >= max(keep, 0); n-- {
		f := l.spare[n]
		l.spare[n] = nil
		l.spare = l.spare[:n]
		f.stop()
	}
}

// pay counts bytes that the running fiber has moved. After its fair share it lets
// others go first: a fast sender with a fast reader would else keep the loop.
func (l *Loop) pay(n int) {
	if l.spent += n; l.spent >= fairShare {
		l.Yield()
	}
}
