package l4

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// parker waits for idle directions in their goroutines' stead: a goroutine costs
// over 2 KB, a place in an epoll set next to nothing. A direction is parked with
// its source's descriptor, and gets a goroutine again when that is readable, at
// its end or broken.
type parker struct {
	file *os.File // the epoll descriptor, which the runtime's poller waits for
	raw  syscall.RawConn
	epfd int

	mu     sync.Mutex
	parked map[int32]*half // by the source's descriptor
}

// newParker returns a parker whose run is to be started.
func newParker() (*parker, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	_ = unix.SetNonblock(epfd, true) // else NewFile keeps it from the poller
	p := &parker{file: os.NewFile(uintptr(epfd), "epoll"), epfd: epfd, parked: make(map[int32]*half)}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		_ = p.file.Close()
		return nil, err
	}
	return p, nil
}

// run wakes what becomes ready, until close.
func (p *parker) run() {
	events := make([]unix.EpollEvent, 128)
	_ = p.raw.Read(func(uintptr) bool {
		for {
			n, err := unix.EpollWait(p.epfd, events, 0)
			if err == unix.EINTR {
				continue
			}
			if n <= 0 {
				return false
			}
			for _, e := range events[:n] {
				if h := p.find(e.Fd); h != nil {
					h.wake()
				}
			}
		}
	})
}

// close ends run. Nothing may be parked any more.
func (p *parker) close() { _ = p.file.Close() }

// add parks a direction whose source has this descriptor. An event that is
// already there wakes it at once, but not before it is wholly enrolled.
func (p *parker) add(h *half, fd int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.parked.Store(true)
	h.fd = int32(fd)
	p.parked[h.fd] = h
	// One shot: it stays in the set, silent, until it is parked again or closed.
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: h.fd}
	op := unix.EPOLL_CTL_ADD
	if h.enrolled {
		op = unix.EPOLL_CTL_MOD
	}
	h.enrolled = true
	return unix.EpollCtl(p.epfd, op, fd, &e)
}

// find takes out the direction with that descriptor. It is a stranger's if the
// descriptor was closed and given to another meanwhile; being woken for nothing
// does not harm it.
func (p *parker) find(fd int32) *half {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.parked[fd]
	delete(p.parked, fd)
	return h
}

// forget takes out a direction that is woken by something else than an event.
func (p *parker) forget(h *half) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.parked[h.fd] == h && !h.parked.Load() { // it may have been parked again
		delete(p.parked, h.fd)
	}
}
