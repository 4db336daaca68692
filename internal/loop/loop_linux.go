//go:build !portable

package loop

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// ownThreads: each loop keeps a processor of the Go scheduler.
	ownThreads = true
	// bufferSize is what one read of a loop takes; a full buffer means bulk.
	bufferSize = 64 << 10
	// fairShare is how many bytes a fiber may move before it lets others go first.
	fairShare = 1 << 20
	// sweepEvery is the time between two looks for connections that are idle in
	// ReadFrom. After quietLooks without a byte they are.
	sweepEvery = time.Second / quietLooks
	quietLooks = 2
	// yieldEvery is how long a loop goes on before it has the runtime schedule it anew.
	// After 10 ms the runtime would do that itself, by a signal; it would look for
	// that every 20 µs, and take a loop that is just waiting its processor.
	yieldEvery = 5 * time.Millisecond
)

// Loop runs fibers and waits for their connections, on one thread at a time. Methods that
// other goroutines may call are marked so; all others are for its fibers.
type Loop struct {
	group *Group
	pulse pulse
	queue queue
	load  load // also changed by loops that hand connections over
	epfd  int

	firstPort, lastPort uint16 // that the kernel picks source ports from

	// All that follows belongs to the loop and its fibers.
	running      *fiber
	ready        []*fiber // to be resumed
	later        []*fiber // to be resumed after the next look at the connections
	spare        []*fiber // that wait for a next function: starting one is then cheap
	idle         int      // the fewest spare ones since the last sweep
	fibers       int      // that have not returned
	spent        int      // bytes moved by the fiber that runs
	yielded      int64    // when the runtime has last scheduled the loop
	closing      bool     // by Group.Close
	conns        table
	listeners    map[int32]*Listener // by the number in their events
	lastListener int32               // the last number given
	timers       timers
	sweeping     timer
	copying      []*Conn // that a fiber waits for in ReadFrom
	dials        dials
	pipes        []*pipe // spare ones
	idlePipes    int     // the fewest spare pipes since the last sweep
	events       [256]unix.EpollEvent
	buf          [bufferSize]byte // for reads that are written on at once
}

func newLoop(g *Group) (*Loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	l := &Loop{group: g, epfd: epfd, listeners: make(map[int32]*Listener), dials: dials{groups: make(map[<-chan struct{}]*dialGroup)}}
	l.sweeping.fire = l.sweep
	l.firstPort, l.lastPort = sourcePorts()
	if err := l.queue.open(l); err != nil {
		_ = unix.Close(epfd)
		return nil, err
	}
	return l, nil
}

func (l *Loop) start() {
	l.group.ended.Add(1)
	go l.run()
}

// end makes run close what there is and return. Any goroutine may call it.
func (l *Loop) end() { l.queue.post(op{kind: opEnd}) }

// release closes the descriptors that newLoop has opened.
func (l *Loop) release() {
	l.queue.close()
	for _, p := range l.pipes {
		p.close()
	}
	_ = unix.Close(l.epfd)
}

// Group returns the group of the loop. Any goroutine may call it.
func (l *Loop) Group() *Group { return l.group }

// Conns returns how many connections the loop has. Any goroutine may call it.
func (l *Loop) Conns() int { return int(l.load.conns.Load()) }

// run is the event loop. It takes turns until the group is closed and no fiber is
// left.
func (l *Loop) run() {
	over := false
	defer func() {
		if !over { // iter.Pull has passed on a fiber's runtime.Goexit
			l.lost(l.running)
			go l.run()
		}
	}()
	for {
		l.runReady() // before the queue is looked at: what a fiber posts needs no wake-up
		l.queue.take(l)
		l.runReady()
		if l.closing && l.fibers == 0 && l.queue.end() {
			break
		}
		l.turn()
	}
	over = true
	l.endSpare(0)
	l.dials.end()
	l.pulse.rest()
	l.release()
	l.group.ended.Done()
}

// turn waits for events and resumes the fibers that wait for them.
func (l *Loop) turn() {
	n := l.poll()
	again := l.later
	l.later = nil
	for i := range l.events[:n] {
		l.dispatch(&l.events[i])
		l.runReady()
	}
	l.ready = append(l.ready, again...)
	at := now()
	l.timers.expire(at)
	if at-l.yielded >= int64(yieldEvery) {
		l.yielded = at
		runtime.Gosched()
	}
}

// poll returns how many events there are. It asks without waiting first: the
// runtime then need not know that the thread may block.
func (l *Loop) poll() int {
	n := l.wait(0)
	if n > 0 || len(l.later) > 0 || !l.queue.sleep() {
		return n
	}
	timeout := l.timers.wait()
	if timeout != 0 {
		l.pulse.rest()
		n = l.wait(timeout)
		l.pulse.work(0)
		l.group.watch.wake()
	}
	l.queue.awake()
	return n
}

// wait calls epoll_wait with a timeout in milliseconds; negative waits for ever.
func (l *Loop) wait(timeout int) int {
	call := unix.RawSyscall6
	if timeout != 0 {
		call = unix.Syscall6
	}
	n, _, errno := call(unix.SYS_EPOLL_PWAIT, uintptr(l.epfd), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), uintptr(timeout), 0, 0)
	if errno != 0 { // EINTR
		return 0
	}
	return int(n)
}

// The numbers in events, in the place of a connection's slot, that are others'.
const (
	queueSlot    = -1
	listenerSlot = -2
)

// dispatch passes an event on. It may be of a connection that was closed since.
func (l *Loop) dispatch(e *unix.EpollEvent) {
	switch e.Fd {
	case queueSlot:
		l.queue.drain()
	case listenerSlot:
		if ln := l.listeners[e.Pad]; ln != nil {
			ln.ready()
		}
	default:
		if c := l.conns.find(e.Fd, e.Pad); c != nil {
			c.ready(e.Events)
		}
	}
}

// register asks for a descriptor's events.
func (l *Loop) register(fd int32, events uint32, slot, generation int32) error {
	e := unix.EpollEvent{Events: events, Fd: slot, Pad: generation}
	return l.control(unix.EPOLL_CTL_ADD, fd, &e)
}

func (l *Loop) control(op int, fd int32, e *unix.EpollEvent) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(l.epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(e)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// sweep notices connections that are idle in ReadFrom, and ends fibers and pipes that
// have not been needed for a while. It does not run while there is nothing to look at.
func (l *Loop) sweep() {
	for i := len(l.copying) - 1; i >= 0; i-- {
		l.copying[i].sweep()
	}
	l.endSpare(len(l.spare) - l.idle)
	l.idle = len(l.spare)
	l.endSparePipes()
	if len(l.copying) > 0 || l.idle > 0 || l.idlePipes > 0 {
		l.timers.set(&l.sweeping, now()+int64(sweepEvery))
	}
}

// keepSweeping is called when there is something for sweep.
func (l *Loop) keepSweeping() {
	if !l.sweeping.set() {
		l.timers.set(&l.sweeping, now()+int64(sweepEvery))
	}
}

// shut closes all connections and wakes the fibers, for Group.Close.
func (l *Loop) shut() {
	l.closing = true
	for _, c := range l.conns.all() {
		c.shut(false)
	}
	for f := range l.timers.fibers() {
		l.wake(f)
	}
}

// errNoFiber is the value of a panic: waiting needs a fiber.
var errNoFiber = errors.New("loop: called outside the loop's fibers")
