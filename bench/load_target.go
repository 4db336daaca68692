package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// targetGet is a GET request to the reader's own service on one kept-alive connection.
// net/http's client costs more than the bench's own, but reads every response.
type targetGet struct {
	transport *http.Transport
	request   *http.Request
	cancel    context.CancelFunc
}

// openGet opens a connection and asks once, so that what is measured has a warm
// connection.
func (t *target) openGet(addr string, deadline time.Time) (operation, error) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+t.request, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	request.Host = t.host
	request.Header.Set("User-Agent", "fourseven-bench")
	g := &targetGet{
		request: request, cancel: cancel,
		transport: &http.Transport{MaxConnsPerHost: 1, DisableCompression: true, MaxResponseHeaderBytes: headRoom},
	}
	if _, err := g.do(); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *targetGet) do() (int64, error) {
	resp, err := g.transport.RoundTrip(g.request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return 0, fmt.Errorf("expected a status of 200 to 399, got %s", resp.Status)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, fmt.Errorf("read the body: %w", err)
	}
	return 1, nil
}

func (g *targetGet) close() {
	g.cancel()
	g.transport.CloseIdleConnections()
}

// targetAnswer is a connection to the reader's own service: opened, what is to be sent
// is sent, and closed when the first bytes have come.
type targetAnswer struct {
	addr     string
	send     string
	deadline time.Time
}

func (t *target) openAnswer(addr string, deadline time.Time) (operation, error) {
	return &targetAnswer{addr, t.send, deadline}, nil
}

// answerPatience is how long the service may take for its first bytes.
const answerPatience = 5 * time.Second

func (a *targetAnswer) do() (int64, error) {
	deadline := a.deadline
	if soon := time.Now().Add(answerPatience); soon.Before(deadline) {
		deadline = soon
	}
	conn, err := dial(a.addr, deadline, []byte(a.send)...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := a.readFirst(conn); err != nil {
		return 0, err
	}
	return 1, nil
}

func (a *targetAnswer) readFirst(conn net.Conn) error {
	_, err := conn.Read(make([]byte, 4<<10))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && a.send == "":
		return errors.New("the service sends nothing first: -send says what it is to be sent")
	case errors.Is(err, io.EOF):
		return errors.New("the service closed the connection without sending anything")
	}
	return err
}

func (a *targetAnswer) close() {} // do leaves nothing open

// check asks each address once, so that a mistake in it ends the run before it begins.
func (t *target) check(ctx context.Context) error {
	for _, addr := range t.addrs {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := tryOnce(t.open(), addr); err != nil {
			return fmt.Errorf("-target: %s does not answer as expected: %w", addr, err)
		}
	}
	return nil
}
