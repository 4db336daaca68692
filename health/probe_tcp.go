package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	// settleTime is how long, beyond the time that connecting took, a backend has to
	// close a connection that it has accepted. What accepts for a backend that is not
	// there, such as docker-proxy, closes at once.
	settleTime = 25 * time.Millisecond
	// closedSettleTime is the same for a backend whose last probe was closed, so that
	// one that closes now sooner, now later, does not come up in between.
	closedSettleTime = 10 * settleTime
)

var errClosedAtOnce = hinted{
	errors.New("closed the connection right after accepting it"),
	"if a port proxy accepts for the backend, such as Docker's, nothing listens behind it",
}

// TCPProbe passes if the backend accepts a connection and does not close it at once,
// and if the TLS handshake passes where there is one. A backend that has sent
// something before it closes passes. With TLS 1.3 a backend that misses a certificate
// closes the connection after the handshake.
func TCPProbe(via Via) Probe {
	return func(ctx context.Context, b *Backend) error {
		began := time.Now()
		return via.talk(ctx, b, func(conn net.Conn) error {
			return staysOpen(ctx, conn, settleFor(b, time.Since(began)))
		})
	}
}

// settleFor returns how long to wait for the backend to close, after that time of
// connecting. Most of a long time was spent on other addresses of the backend's name.
func settleFor(b *Backend, connecting time.Duration) time.Duration {
	settle := settleTime
	if errors.Is(b.Status().Err, errClosedAtOnce) {
		settle = closedSettleTime
	}
	return settle + min(connecting, closedSettleTime)
}

// staysOpen returns an error if the connection is closed within that time, without a
// byte from the backend.
func staysOpen(ctx context.Context, conn net.Conn, within time.Duration) error {
	began := time.Now()
	until := began.Add(within)
	if end, ok := ctx.Deadline(); ok && end.Before(until) {
		until = end
	}
	_ = conn.SetReadDeadline(until)
	n, err := conn.Read(make([]byte, 1<<10))
	switch {
	case n > 0:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		leaveOut(ctx, time.Since(began))
		return nil
	case err == io.EOF:
		return errClosedAtOnce
	}
	if isAlert(err) {
		return HandshakeFailed(err)
	}
	return fmt.Errorf("%w: %w", errClosedAtOnce, cause(err))
}

type leftOutKey struct{}

// withLeftOut returns a context for one probe, and where the probe notes how much of its
// time is not the backend's.
func withLeftOut(ctx context.Context) (context.Context, *time.Duration) {
	d := new(time.Duration)
	return context.WithValue(ctx, leftOutKey{}, d), d
}

// leaveOut notes that the probe waited on purpose for this long, which is not part of the
// backend's latency.
func leaveOut(ctx context.Context, d time.Duration) {
	if total, ok := ctx.Value(leftOutKey{}).(*time.Duration); ok {
		*total += d
	}
}
