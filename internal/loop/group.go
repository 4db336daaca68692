package loop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
)

// Config configures a Group. Its zero value is ready to use.
type Config struct {
	// Loops is how many loops there are. Zero: as many as GOMAXPROCS is when the
	// Group is made. GOMAXPROCS is then raised to at least one more than Loops, so
	// that the rest of the program is not kept waiting, and stays so until Close.
	Loops int
	// Pipes is how many pipes there are at most, two descriptors each. Zero, or more than
	// that: MaxPipes.
	Pipes int
	// OnStall is called, by a goroutine of its own, when a loop has been held up for
	// StallAfter. If nil, stalls are counted only.
	OnStall func(Stall)
	// OnPanic is called with the value and the stack of a fiber that has panicked,
	// in the fiber. If nil, the panic ends the program, as it does in a goroutine.
	OnPanic func(value any, stack []byte)
	// OnBulk is called by ReadFrom in a fiber of the connections, when it begins to
	// move bulk from src to dst and after each further 1 MiB: the moment to bound
	// their buffers, which the kernel makes larger while bulk moves. It must not wait.
	OnBulk func(dst, src *Conn)
}

// Group is a set of loops that share listeners. All its methods may be called by
// any goroutine.
type Group struct {
	config Config
	loops  []*Loop
	procs  int // GOMAXPROCS before
	ended  sync.WaitGroup
	watch  *watch
	platform

	mu        sync.Mutex
	closed    bool
	listeners map[io.Closer]struct{}
}

// New starts the loops of a Group. Close ends them.
func New(config Config) (*Group, error) {
	g := &Group{config: config, platform: newPlatform(config), procs: runtime.GOMAXPROCS(0), listeners: make(map[io.Closer]struct{})}
	n := config.Loops
	if n <= 0 {
		n = g.procs
	}
	for range n {
		l, err := newLoop(g)
		if err != nil {
			for _, l := range g.loops {
				l.release()
			}
			return nil, fmt.Errorf("start event loop: %w", err)
		}
		g.loops = append(g.loops, l)
	}
	if ownThreads && n >= g.procs {
		runtime.GOMAXPROCS(n + 1)
	}
	g.watch = newWatch(g)
	for _, l := range g.loops {
		l.start()
	}
	return g, nil
}

// Loops returns the loops. The slice is the Group's own.
func (g *Group) Loops() []*Loop { return g.loops }

// Stalls returns how often a loop has been held up for StallAfter.
func (g *Group) Stalls() uint64 { return g.watch.stalls.Load() }

// Close closes all listeners and connections, waits for the fibers to end, and
// ends the loops: no goroutine and no descriptor is left. What waits in a loop
// returns an error. It must not be called by a fiber, and waits for as long as
// fibers go on.
func (g *Group) Close() error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		g.ended.Wait()
		return net.ErrClosed
	}
	g.closed = true
	listeners := g.listeners
	g.listeners = nil
	g.mu.Unlock()
	var errs []error
	for ln := range listeners {
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, l := range g.loops {
		l.end()
	}
	g.ended.Wait()
	g.watch.end()
	if ownThreads && runtime.GOMAXPROCS(0) == len(g.loops)+1 {
		runtime.GOMAXPROCS(g.procs)
	}
	return errors.Join(errs...)
}

// enrol remembers a listener for Close. It reports whether the Group is open.
func (g *Group) enrol(ln io.Closer) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.listeners[ln] = struct{}{}
	return true
}

func (g *Group) forget(ln io.Closer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.listeners, ln)
}

// crashed deals with a panic of a fiber.
func (g *Group) crashed(value any, stack []byte) {
	if g.config.OnPanic == nil {
		panic(fmt.Sprintf("%v\n\nin a fiber:\n%s", value, stack))
	}
	g.config.OnPanic(value, stack)
}

// bulkStep is how many bytes move between two calls of OnBulk.
const bulkStep = 1 << 20

// tellBulk calls OnBulk, if it is due.
func (c *Conn) tellBulk(src *Conn) {
	hook := c.Loop().group.config.OnBulk
	if n := src.read.Load(); hook != nil && n >= src.bulkTold {
		src.bulkTold = n + bulkStep
		hook(c, src)
	}
}

// load is how many connections a loop has.
type load struct{ conns atomic.Int64 }
