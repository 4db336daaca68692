package l7

import (
	"io"
	"syscall"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// first waits for the first bytes of a request. Unlike Reader.Fill it holds no buffer
// while it waits, so that an idle connection has none.
type first struct {
	rd  *http1.Reader
	raw syscall.RawConn // nil if the connection has none: Fill is used then
	err error
	// read is f.step, kept so that a request allocates nothing.
	read func(fd uintptr) bool
}

func (f *first) init(rd *http1.Reader, s *socket) {
	f.rd, f.raw, f.read = rd, s.raw, f.step
}

// await returns when bytes have come. Nothing may be unread in the reader.
func (f *first) await() error {
	if f.raw == nil {
		f.rd.Shrink()
		return f.rd.Fill(http1.SmallBuffer)
	}
	if err := f.raw.Read(f.read); err != nil {
		return err
	}
	return f.err
}

// step reads, and reports whether it is done. Otherwise it is called again when there
// is something to read.
func (f *first) step(fd uintptr) bool {
	if f.err = f.rd.MakeRoom(http1.SmallBuffer); f.err != nil {
		return true
	}
	n, err := l4.Recv(fd, f.rd.Free())
	switch {
	case err == syscall.EAGAIN:
		f.rd.Release()
		return false
	case err != nil:
		f.err = err
	case n == 0:
		f.err = io.EOF
	default:
		f.rd.Took(n)
	}
	return true
}
