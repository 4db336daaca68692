//go:build linux

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"fourseven/internal/testkit"
)

// What clients do in the tests of handing over and in the soak. They speak for
// themselves and send nothing twice, so that no failure is hidden.

// reach dials within testkit.Patience, which is also how long all that follows may take.
func reach(addr string) (*net.TCPConn, error) {
	conn, err := net.DialTimeout("tcp", addr, testkit.Patience)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
	return conn.(*net.TCPConn), nil
}

// askOnce makes a connection for one request, and wants a backend's answer on it and
// then its end.
func askOnce(addr string) error {
	conn, err := reach(addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		return fmt.Errorf("after %d bytes: %w", len(text), err)
	}
	if !strings.Contains(string(text), "\r\n\r\nbackend ") {
		return fmt.Errorf("answered %q", text)
	}
	return nil
}

// keptClient is an HTTP client that keeps its connection for as long as it may.
type keptClient struct {
	addr string

	conn    net.Conn // nil if the next request needs a new one
	rd      *bufio.Reader
	backend string // that answered last; empty if none did
}

// do sends one request, and returns its answer's body. The status must be 200.
func (c *keptClient) do(method, path, body string) (string, error) {
	c.backend = ""
	if c.conn == nil {
		conn, err := reach(c.addr)
		if err != nil {
			return "", err
		}
		c.conn, c.rd = conn, bufio.NewReader(conn)
	}
	text, last, err := c.exchange(method, path, body)
	if err != nil || last {
		c.close()
	}
	return text, err
}

func (c *keptClient) exchange(method, path, body string) (text string, last bool, err error) {
	_ = c.conn.SetDeadline(time.Now().Add(testkit.Patience))
	_, err = fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	if err != nil {
		return "", false, err
	}
	resp, err := http.ReadResponse(c.rd, nil)
	if err != nil {
		return "", false, err
	}
	c.backend = resp.Header.Get("Backend")
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d %q", resp.StatusCode, answer)
	}
	return string(answer), resp.Close, err
}

func (c *keptClient) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// session is a long connection to a backend, over either frontend, on which it sends
// back what it is sent.
type session struct {
	conn    *net.TCPConn
	rd      *bufio.Reader
	backend string
}

func openSession(addr string) (*session, error) {
	conn, err := reach(addr)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, rd: bufio.NewReader(conn)}
	if err := s.upgrade(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) upgrade() error {
	_, err := io.WriteString(s.conn, "GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(s.rd, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("status %d to a request for an upgrade", resp.StatusCode)
	}
	s.backend = resp.Header.Get("Backend")
	return nil
}

// say sends a message, and wants it back.
func (s *session) say(text string) error {
	_ = s.conn.SetDeadline(time.Now().Add(testkit.Patience))
	if _, err := io.WriteString(s.conn, text); err != nil {
		return err
	}
	echo := make([]byte, len(text))
	if _, err := io.ReadFull(s.rd, echo); err != nil {
		return err
	}
	if string(echo) != text {
		return errors.New("another message than the one that was sent")
	}
	return nil
}

// stream sends so many bytes while it wants them back.
func (s *session) stream(size int64) error {
	_ = s.conn.SetDeadline(time.Now().Add(testkit.Patience))
	sentc := make(chan error, 1)
	go func() {
		_, err := io.CopyN(s.conn, &pattern{}, size)
		sentc <- err
	}()
	_, err := io.CopyN(&pattern{}, s.rd, size)
	if err != nil {
		_ = s.conn.Close() // ends the sending, too
	}
	return errors.Join(err, <-sentc)
}

// end ends this side's stream, and wants the other's to end, too.
func (s *session) end() error { return s.endWith("") }

// endWith is end where a text is still to come.
func (s *session) endWith(text string) error {
	defer func() { _ = s.conn.Close() }()
	_ = s.conn.SetDeadline(time.Now().Add(testkit.Patience))
	if err := s.conn.CloseWrite(); err != nil {
		return err
	}
	rest, err := io.ReadAll(s.rd)
	if err == nil && string(rest) != text {
		err = fmt.Errorf("%d bytes before the end, which are not the last %d that were sent", len(rest), len(text))
	}
	return err
}

// finish wants the whole of a slow answer, and closes the connection.
func finish(conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && n != slowBody {
		err = fmt.Errorf("%d bytes of %d", n, slowBody)
	}
	return err
}
