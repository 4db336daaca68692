//go:build !portable

package loop

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// bulkMin is how many bytes at a time are worth a pipe: below, they are copied.
const bulkMin = 32 << 10

// splice moves what there is through a pipe, which it holds no longer than that.
// It returns nil when there is no bulk any more, or no pipe.
func (c *Conn) splice(src *Conn) error {
	c.tellBulk(src) // also if there is no pipe
	if c.unspliceable || src.unspliceable {
		return nil
	}
	c.writeAtOnce()
	p := c.Loop().takePipe()
	if p == nil {
		return nil
	}
	// Its bytes must not go to another client, whatever happens.
	defer func() { c.Loop().givePipe(p) }()
	for n := bulkMin; n >= bulkMin; {
		c.tellBulk(src)
		err := c.may(writeSide)
		if err == nil {
			err = src.may(readSide)
		}
		if err == nil {
			n, err = c.fill(p, src, p.size)
		}
		if err == nil {
			err = c.drainPipe(p, 0)
		}
		if p.left > 0 {
			c.salvage(p, src)
			n = 0
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fill splices up to max bytes from the socket into the empty pipe. It returns 0 and nil
// if nothing more has arrived.
func (c *Conn) fill(p *pipe, src *Conn, max int) (int, error) {
	n, errno := splice(src.fd, p.w, min(max, p.size))
	switch {
	case errno == syscall.EAGAIN && src.broken == 0: // of the source: the pipe is empty
		src.readable = src.urgent // which a splice does not get past: a read finds out
		return 0, nil
	case errno == syscall.EINVAL: // this kind of socket cannot be spliced
		src.unspliceable = true
		return 0, nil
	case errno != 0 || n == 0:
		return 0, src.ended(errno)
	}
	p.left = n
	src.read.Add(int64(n))
	return n, nil
}

// drainPipe splices the pipe's bytes to the socket, but for those to keep, and waits for
// room. It leaves others a turn when it has moved its share.
func (c *Conn) drainPipe(p *pipe, keep int) error {
	for p.left > keep {
		if err := c.may(writeSide); err != nil {
			return err
		}
		if c.broken != 0 {
			return c.unwritable(c.broken)
		}
		n, errno := splice(p.r, c.fd, p.left-keep)
		switch {
		case errno == syscall.EAGAIN:
			c.full()
			c.waitWritable()
		case errno == syscall.EINVAL:
			c.unspliceable = true
			return nil // the rest is salvaged
		case errno != 0:
			return c.unwritable(errno)
		case n == 0:
			return c.opError("write", io.ErrUnexpectedEOF)
		default:
			p.left -= n
			c.written.Add(int64(n))
			c.Loop().pay(n)
		}
	}
	return nil
}

// salvage puts back into src what the pipe holds, if it may still be written some
// day: a deadline may have passed.
func (c *Conn) salvage(p *pipe, src *Conn) {
	if c.broken != 0 || c.closed.Load() || src.closed.Load() {
		return
	}
	buf := make([]byte, p.left)
	n, err := unix.Read(int(p.r), buf)
	if err == nil {
		src.Unread(buf[:n])
		p.left -= n
	}
}

// splice calls splice(2), which moves up to max bytes without waiting.
func splice(from, to int32, max int) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(max), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if errno == 0 {
			return int(n), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

// pipe is what splicing goes through.
type pipe struct {
	r, w   int32
	size   int
	left   int // bytes in it
	budget *pipeBudget
}

func (p *pipe) close() {
	_ = unix.Close(int(p.r))
	_ = unix.Close(int(p.w))
	p.budget.release(p.size > smallPipe)
}

// takePipe returns an empty pipe, or nil if there may be no more.
func (l *Loop) takePipe() *pipe {
	if n := len(l.pipes) - 1; n >= 0 {
		p := l.pipes[n]
		l.pipes[n] = nil
		l.pipes = l.pipes[:n]
		l.idlePipes = min(l.idlePipes, n)
		return p
	}
	budget := l.group.pipes
	large, ok := budget.acquire()
	if !ok {
		return nil
	}
	p, err := newPipe(large)
	if err != nil {
		budget.release(large)
		return nil
	}
	if large && p.size == smallPipe { // this user may not have more
		budget.demote()
	}
	p.budget = budget
	return p
}

// givePipe takes back a pipe. One with bytes in it is closed: no other connection may get
// them.
func (l *Loop) givePipe(p *pipe) {
	if p.left > 0 || len(l.pipes) == sparePipes {
		p.close()
		return
	}
	l.pipes = append(l.pipes, p)
	l.keepSweeping()
}

// endSparePipes closes spare pipes that have not been needed since the last sweep.
func (l *Loop) endSparePipes() {
	for ; l.idlePipes > 0; l.idlePipes-- {
		n := len(l.pipes) - 1
		l.pipes[n].close()
		l.pipes[n] = nil
		l.pipes = l.pipes[:n]
	}
	l.idlePipes = len(l.pipes)
}

func newPipe(large bool) (*pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	p := &pipe{r: int32(fds[0]), w: int32(fds[1]), size: smallPipe}
	if large {
		if size, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, largePipe); err == nil {
			p.size = size
		}
	}
	return p, nil
}
