//go:build linux

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"fourseven/internal/testkit"

	"github.com/coder/websocket"
)

// traffic starts clients of all kinds, which do about 200 things a second, half of
// them with the veteran.
func (s *soak) traffic(l *load) {
	once := func(perSecond int, kind string, do func() (string, error)) {
		l.each(perSecond, func() { s.record.operation(kind, do) })
	}
	once(40, "L4 connections", func() (string, error) { return askBackend(s.l4()) })
	once(10, "L7 connections", func() (string, error) { return askBackend(s.l7()) })
	once(10, "L4 half-closed", func() (string, error) { return halfClose(s.l4()) })
	once(1, "L4 bulk, 4 MiB there and back", func() (string, error) { return bulk(s.l4()) })
	many := func(n int, client func()) {
		for range n {
			l.wg.Go(client)
		}
	}
	many(20, func() { s.keep(l) })
	many(10, func() { s.converse(l, "L4 sessions", "L4 messages", func() string { return s.l4() }) })
	many(5, func() { s.converse(l, "L7 upgrades", "L7 messages after an upgrade", func() string { return s.l7() }) })
	many(5, func() { s.chat(l) })
	many(2, func() { s.readSlowly(l, "L4 slow readers", s.l4) })
	many(2, func() { s.readSlowly(l, "L7 slow readers", s.l7) })
}

// l4 and l7 return where a client goes.
func (s *soak) l4() string { return []string{s.lineage.l4, s.veteran.l4}[rand.N(2)] }
func (s *soak) l7() string { return []string{s.lineage.l7, s.veteran.l7}[rand.N(2)] }

// keep asks over a connection that is kept for as long as it may, four times a second.
func (s *soak) keep(l *load) {
	client := &keptClient{addr: s.l7()}
	defer client.close()
	for l.pause(rand.N(500 * time.Millisecond)) {
		kind, method, path, body := "L7 requests, kept", "GET", "/", ""
		if rand.N(2) == 0 {
			kind, method, path, body = "L7 requests with a body, kept", "POST", "/echo", strings.Repeat("x", rand.N(64<<10))
		}
		s.record.operation(kind, func() (string, error) {
			text, err := client.do(method, path, body)
			if err == nil && body != "" && text != body {
				err = errors.New("another body than the one that was sent")
			}
			return client.backend, err
		})
	}
}

// sessionTime bounds how long a session lasts. It is less than a drain, so that no
// session need be cut.
const sessionTime = 15 * time.Second

// converse opens one session after the other, with five messages a second in each.
func (s *soak) converse(l *load, sessions, messages string, addr func() string) {
	for l.pause(rand.N(time.Second)) {
		s.record.operation(sessions, func() (string, error) {
			ses, err := openSession(addr())
			if err != nil {
				return "", err
			}
			defer func() { _ = ses.conn.Close() }()
			for end := time.Now().Add(rand.N(sessionTime)); time.Now().Before(end) && l.pause(200*time.Millisecond); {
				text := strings.Repeat("m", 1+rand.N(2000))
				if err := s.record.part(messages, func() error { return ses.say(text) }); err != nil {
					return ses.backend, err
				}
			}
			return ses.backend, ses.end()
		})
	}
}

// chat opens one WebSocket after the other, with five messages a second in each.
func (s *soak) chat(l *load) {
	for l.pause(rand.N(time.Second)) {
		s.record.operation("L7 WebSockets", func() (string, error) { return s.chatOnce(l) })
	}
}

func (s *soak) chatOnce(l *load) (backend string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), sessionTime+testkit.Patience)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, "ws://"+s.l7()+"/websocket", nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.CloseNow() }()
	backend = resp.Header.Get("Backend")
	for end := time.Now().Add(rand.N(sessionTime)); time.Now().Before(end) && l.pause(200*time.Millisecond); {
		text := strings.Repeat("w", 1+rand.N(2000))
		err := s.record.part("L7 messages over a WebSocket", func() error { return exchangeMessage(ctx, conn, text) })
		if err != nil {
			return backend, err
		}
	}
	return backend, conn.Close(websocket.StatusNormalClosure, "")
}

func exchangeMessage(ctx context.Context, conn *websocket.Conn, text string) error {
	if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return err
	}
	_, echo, err := conn.Read(ctx)
	if err == nil && string(echo) != text {
		err = errors.New("another message than the one that was sent")
	}
	return err
}

// readSlowly asks for much, and takes it at a megabyte a second.
func (s *soak) readSlowly(l *load, kind string, addr func() string) {
	for l.pause(rand.N(time.Second)) {
		s.record.operation(kind, func() (string, error) {
			conn, err := reach(addr())
			if err != nil {
				return "", err
			}
			defer func() { _ = conn.Close() }()
			return takeSlowly(conn, l)
		})
	}
}

func takeSlowly(conn net.Conn, l *load) (backend string, err error) {
	const size, part = 4 << 20, 256 << 10
	if _, err := fmt.Fprintf(conn, "GET /bulk?size=%d HTTP/1.1\r\nHost: x\r\n\r\n", size); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	backend = resp.Header.Get("Backend")
	var check pattern
	for range size / part {
		if _, err := io.CopyN(&check, resp.Body, part); err != nil {
			return backend, err
		}
		if !l.pause(250 * time.Millisecond) {
			return backend, nil
		}
	}
	return backend, nil
}

// askBackend makes a connection for one request.
func askBackend(addr string) (backend string, err error) {
	client := &keptClient{addr: addr}
	defer client.close()
	_, err = client.do("GET", "/", "")
	return client.backend, err
}

// halfClose ends its stream before it has all that it is owed.
func halfClose(addr string) (backend string, err error) {
	ses, err := openSession(addr)
	if err != nil {
		return "", err
	}
	text := strings.Repeat("h", 10<<10)
	if _, err := io.WriteString(ses.conn, text); err != nil {
		_ = ses.conn.Close()
		return ses.backend, err
	}
	return ses.backend, ses.endWith(text)
}

// bulk sends and takes at once, as fast as it can.
func bulk(addr string) (backend string, err error) {
	ses, err := openSession(addr)
	if err != nil {
		return "", err
	}
	if err := ses.stream(4 << 20); err != nil {
		return ses.backend, err
	}
	return ses.backend, ses.end()
}
