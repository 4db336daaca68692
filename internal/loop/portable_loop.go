//go:build !linux || portable

package loop

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// ownThreads: the loops leave the scheduler's processors alone.
	ownThreads = false
	bufferSize = 64 << 10
	fairShare  = 1 << 20
	// MaxPipes is how many pipes a Group has at most: bulk is copied here.
	MaxPipes = 0
)

// platform is what a Group has on this system only.
type platform struct{}

func newPlatform(Config) platform { return platform{} }

// Loop runs fibers. In this version they are goroutines, of which the one that has the
// loop's lock runs; it gives the lock up whenever it waits. Methods that other goroutines
// may call are marked so; all others are for its fibers.
type Loop struct {
	group *Group
	load  load
	ctx   context.Context // done when the Group is being closed
	stop  context.CancelFunc

	run   sync.Mutex // of the fiber that runs
	pulse pulse      // belongs to run, as does spent
	spent int

	mu     sync.Mutex
	closed bool
	conns  map[*Conn]struct{}
	fibers sync.WaitGroup // Add only under mu while !closed
}

func newLoop(g *Group) (*Loop, error) {
	l := &Loop{group: g, conns: make(map[*Conn]struct{})}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l, nil
}

func (l *Loop) start() { l.group.ended.Add(1) }

// release closes the descriptors that newLoop has opened.
func (l *Loop) release() { l.stop() }

// end closes what there is. Any goroutine may call it.
func (l *Loop) end() {
	l.mu.Lock()
	l.closed = true
	var conns []*Conn
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	l.stop()
	for _, c := range conns {
		_ = c.Close()
	}
	go func() {
		l.fibers.Wait()
		l.group.ended.Done()
	}()
}

// Group returns the group of the loop. Any goroutine may call it.
func (l *Loop) Group() *Group { return l.group }

// Conns returns how many connections the loop has. Any goroutine may call it.
func (l *Loop) Conns() int { return int(l.load.conns.Load()) }

// Go starts fn as a fiber of the loop, soon. It reports whether it will be: not
// once the Group is closed. Any goroutine may call it.
func (l *Loop) Go(fn func()) bool { return l.spawn(nil, func() bool { return true }, fn) }

// Go starts fn as a fiber of the connection's loop, which fn is to serve: if it
// panics, the connection is reset. Any goroutine may call it.
func (c *Conn) Go(fn func()) bool { return c.Loop().spawn(c, func() bool { return true }, fn) }

// spawn starts a goroutine that first waits, without being a fiber yet. If wait
// returns false there is nothing to run.
func (l *Loop) spawn(c *Conn, wait func() bool, fn func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.fibers.Add(1)
	go func() {
		defer l.fibers.Done()
		if wait() {
			l.enter()
			defer l.leave()
			l.call(c, fn)
		}
	}()
	return true
}

// call runs the function of a fiber. If it panics, its connection is reset.
func (l *Loop) call(c *Conn, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			if c != nil {
				_ = c.Reset()
			}
			l.group.crashed(v, debug.Stack())
		}
	}()
	fn()
}

// enter takes the loop, leave gives it back.
func (l *Loop) enter() {
	l.run.Lock()
	l.spent = 0
	l.pulse.work(goroutineID())
	l.group.watch.wake()
}

func (l *Loop) leave() {
	l.pulse.rest()
	l.run.Unlock()
}

// wait lets others have the loop while f blocks.
func (l *Loop) wait(f func()) {
	l.leave()
	defer l.enter()
	f()
}

// Sleep lets d pass. It returns ErrClosed, at once, if the Group is being closed.
func (l *Loop) Sleep(d time.Duration) error {
	l.wait(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.ctx.Done():
		}
	})
	if l.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}

// Yield lets the loop's other fibers and connections go first. Code that computes
// for long calls it.
func (l *Loop) Yield() { l.wait(runtime.Gosched) }

// Await runs f and waits for it, while other fibers go on: for name lookups, files,
// locks, and whatever else blocks. A panic of f becomes the fiber's. Closing the
// Group does not end it.
func (l *Loop) Await(f func()) { l.wait(f) }

// pay counts bytes that the running fiber has moved. After its fair share it lets
// others go first.
func (l *Loop) pay(n int) {
	if l.spent += n; l.spent >= fairShare {
		l.Yield()
	}
}
