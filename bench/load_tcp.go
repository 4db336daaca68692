package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const dialTimeout = 5 * time.Second

// dial opens a connection and sends first on it.
func dial(addr string, deadline time.Time, first ...byte) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if len(first) == 0 {
		return conn, nil
	}
	if _, err := conn.Write(first); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// echo is a round trip of 64 B, numbered so that no stale answer passes.
type echo struct {
	conn    net.Conn
	number  uint64
	out, in [64]byte
}

// dialer opens a connection and sends first on it.
type dialer func(addr string, deadline time.Time, first ...byte) (net.Conn, error)

func openEcho(dial dialer) opener {
	return func(addr string, deadline time.Time) (operation, error) {
		conn, err := dial(addr, deadline, commandEcho)
		if err != nil {
			return nil, err
		}
		return &echo{conn: conn}, nil
	}
}

func (e *echo) do() (int64, error) {
	e.number++
	binary.LittleEndian.PutUint64(e.out[:], e.number)
	if _, err := e.conn.Write(e.out[:]); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(e.conn, e.in[:]); err != nil {
		return 0, err
	}
	if e.in != e.out {
		return 0, errors.New("the echo differs from what was sent")
	}
	return 1, nil
}

func (e *echo) close() { _ = e.conn.Close() }

// connect is a whole connection: opened, a byte there and back, closed by the
// backend first. So the client's port is free again at once, and a long run does
// not end for lack of ports.
type connect struct {
	addr     string
	deadline time.Time
	in       [2]byte
}

func openConnect(addr string, deadline time.Time) (operation, error) {
	return &connect{addr: addr, deadline: deadline}, nil
}

func (c *connect) do() (int64, error) {
	conn, err := dial(c.addr, c.deadline, commandOnce, '!')
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := readOnce(conn, &c.in); err != nil {
		return 0, err
	}
	return 1, nil
}

// readOnce reads what the backend sends after commandOnce, a byte and the end, into in,
// which has room for one byte too many.
func readOnce(conn net.Conn, in *[2]byte) error {
	n, err := io.ReadFull(conn, in[:])
	switch {
	case err == nil:
		return fmt.Errorf("expected 1 byte and the end, got %q", in[:])
	case !errors.Is(err, io.ErrUnexpectedEOF) || in[0] != '!':
		return fmt.Errorf("expected 1 byte and the end, got %q and %w", in[:n], err)
	}
	return nil
}

func (c *connect) close() {} // do leaves nothing open

// bulk reads what the backend sends without end.
type bulk struct {
	conn net.Conn
	buf  []byte
}

func openBulk(dial dialer) opener {
	return func(addr string, deadline time.Time) (operation, error) {
		conn, err := dial(addr, deadline, commandBulk)
		if err != nil {
			return nil, err
		}
		return &bulk{conn: conn, buf: make([]byte, 256<<10)}, nil
	}
}

func (b *bulk) do() (int64, error) {
	n, err := b.conn.Read(b.buf)
	return int64(n), err
}

func (b *bulk) close() { _ = b.conn.Close() }
