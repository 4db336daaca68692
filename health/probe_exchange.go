package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"time"
)

// answerPause is how long nothing must come for an answer to be complete that Match does
// not match. A lost packet is sent again before.
const answerPause = 500 * time.Millisecond

// Exchange is a probe that sends and reads the backend's answer. Without Send the backend
// speaks first; without Expect and Match it need not answer.
type Exchange struct {
	Send []byte // not shown in errors: it may hold a password
	// SendHidden keeps the words of Send out of errors also where the backend repeats them.
	SendHidden bool
	// Expect is what the answer must begin with.
	Expect []byte
	// Match, if not nil, must match the answer: what comes until it matches, or until the
	// backend ends its stream, pauses, or has sent 64 KiB. Expect is ignored then.
	Match *regexp.Regexp
	// Hidden keeps Expect out of errors.
	Hidden bool
	Via    Via
}

// Probe probes the backend once.
func (e Exchange) Probe(ctx context.Context, b *Backend) error {
	return e.Via.talk(ctx, b, func(conn net.Conn) error {
		if _, err := conn.Write(e.Send); err != nil {
			return fmt.Errorf("send: %w", cause(err))
		}
		if e.Match != nil {
			return e.match(ctx, conn)
		}
		return e.expect(conn)
	})
}

func (e Exchange) expect(conn net.Conn) error {
	got := make([]byte, 0, len(e.Expect))
	for len(got) < len(e.Expect) {
		n, err := conn.Read(got[len(got):cap(got)])
		got = got[:len(got)+n]
		if !bytes.HasPrefix(e.Expect, got) {
			return e.unexpected(got)
		}
		if err == io.EOF && len(got) < len(e.Expect) {
			return endTooSoon(e.unexpected(got), got)
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("%w: %w", e.unexpected(got), cause(err))
		}
	}
	return nil
}

func (e Exchange) unexpected(got []byte) error {
	got = e.masked(got)
	if e.Hidden {
		return fmt.Errorf("expected LB_HEALTH_EXPECT, got %q", got)
	}
	return fmt.Errorf("expected %q, got %q", e.Expect, got)
}

// masked returns what the backend sent as errors show it.
func (e Exchange) masked(got []byte) []byte {
	if e.SendHidden {
		return masked(got, string(e.Send))
	}
	return got
}

func (e Exchange) match(ctx context.Context, conn net.Conn) error {
	var got []byte
	buf := make([]byte, 4<<10)
	for len(got) < maxMatched {
		n, err := conn.Read(buf)
		got = append(got, buf[:min(n, maxMatched-len(got))]...)
		switch {
		case (n > 0 || err == io.EOF) && e.Match.Match(got):
			return nil
		case err == io.EOF:
			return endTooSoon(errNoMatch(e.Match, e.masked(got)), got)
		case len(got) > 0 && ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded):
			return errNoMatch(e.Match, e.masked(got))
		case err != nil:
			return fmt.Errorf("%w: %w", errNoMatch(e.Match, e.masked(got)), cause(err))
		}
		until := time.Now().Add(answerPause)
		if end, ok := ctx.Deadline(); ok && end.Before(until) {
			continue // the context ends the read
		}
		_ = conn.SetReadDeadline(until)
	}
	return errNoMatch(e.Match, e.masked(got))
}

// endTooSoon returns the error of a backend that closed its stream before it had sent
// all that was expected.
func endTooSoon(err error, got []byte) error {
	err = fmt.Errorf("%w and the end", err)
	if len(got) > 0 {
		return err
	}
	return hinted{err, "LB_HEALTH_PROXY if the backend expects a PROXY header, LB_BACKEND_TLS=on if it expects TLS, LB_HEALTH_TLS=on for its probes alone"}
}
