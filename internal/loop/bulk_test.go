package loop

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// TestBulk pins that bytes that go past a buffer arrive in order: a head first, then the
// bulk but for the bytes to keep, which can be read, whatever the reader's pace.
func TestBulk(t *testing.T) {
	l := oneLoop(t)
	src, sender := pair(t, l)
	dst, receiver := pair(t, l)
	const size = 4 << 20
	want := pattern(7, size)
	go func() { _, _ = sender.Write(want) }()
	type result struct {
		got []byte
		err error
	}
	gotc := make(chan result, 1)
	go func() {
		got := make([]byte, size)
		_, err := io.ReadFull(receiver, got)
		gotc <- result{got, err}
	}()
	in(t, l, func() {
		if err := passAll(dst, src, size); err != nil {
			t.Error(err)
		}
	})
	r := <-gotc
	if r.err != nil || !bytes.Equal(r.got, want) {
		t.Errorf("other bytes arrived, or %v", r.err)
	}
}

// passAll moves size bytes: what cannot be taken is copied.
func passAll(dst, src *Conn, size int) error {
	buf := make([]byte, 1000)
	for size > 0 {
		n, err := src.Read(buf[:min(size, len(buf))])
		if err != nil {
			return err
		}
		size -= n
		bulk, ok := dst.TakeBulk(src, size)
		if !ok {
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			continue
		}
		size -= bulk.Len()
		if _, err := bulk.Send(buf[:n], 1); err != nil {
			return err
		}
		rest := make([]byte, 2)
		if n, err = bulk.Read(rest); err != nil {
			return err
		}
		bulk.Release()
		if _, err := dst.Write(rest[:n]); err != nil {
			return err
		}
	}
	return nil
}

// TestBulkReleased pins that bytes that were not sent reach no other connection.
func TestBulkReleased(t *testing.T) {
	l := oneLoop(t)
	for range 3 {
		src, sender := pair(t, l)
		dst, receiver := pair(t, l)
		_, _ = sender.Write([]byte("secret"))
		in(t, l, func() {
			src.AwaitReadable()
			if bulk, ok := dst.TakeBulk(src, 100); ok {
				bulk.Release()
			}
			_, _ = dst.Write([]byte("mine"))
			_ = dst.CloseWrite()
		})
		got, err := io.ReadAll(net.Conn(receiver))
		if err != nil || string(got) != "mine" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}
