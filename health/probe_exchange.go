package health

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
)

// ExchangeProbe sends, and passes if the backend's response begins with expect.
// Either may be empty: without send the backend speaks first, without expect it
// need not respond.
func ExchangeProbe(send, expect []byte, via Via) Probe {
	return func(ctx context.Context, b *Backend) error {
		return via.talk(ctx, b, func(conn net.Conn) error { return exchange(conn, send, expect) })
	}
}

func exchange(conn net.Conn, send, expect []byte) error {
	if _, err := conn.Write(send); err != nil {
		return fmt.Errorf("send %q: %w", send, cause(err))
	}
	got := make([]byte, 0, len(expect))
	for len(got) < len(expect) {
		n, err := conn.Read(got[len(got):cap(got)])
		got = got[:len(got)+n]
		if !bytes.HasPrefix(expect, got) {
			return fmt.Errorf("expected %q, got %q", expect, got)
		}
		if err == io.EOF && len(got) < len(expect) {
			return endTooSoon(expect, got)
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("expected %q, got %q: %w", expect, got, cause(err))
		}
	}
	return nil
}

// endTooSoon returns the error of a backend that closed its stream before it had sent
// all that was expected.
func endTooSoon(expect, got []byte) error {
	err := fmt.Errorf("expected %q, got %q and the end", expect, got)
	if len(got) > 0 {
		return err
	}
	return hinted{err, "LB_HEALTH_PROXY if the backend expects a PROXY header, LB_HEALTH_TLS=on if it expects TLS"}
}
