package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// ExchangeProbe sends, and passes if the backend's response begins with expect.
// Either may be empty: without send the backend speaks first, without expect it
// need not respond.
func ExchangeProbe(send, expect []byte, via Via) Probe {
	return func(ctx context.Context, b *Backend) error {
		conn, err := via.dial(ctx, b)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		err = exchange(conn, send, expect)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
		return err
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
			return fmt.Errorf("expected %q, got %q and the end", expect, got)
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("expected %q, got %q: %w", expect, got, cause(err))
		}
	}
	return nil
}
