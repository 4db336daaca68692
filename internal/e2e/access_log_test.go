//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"testing"

	"fourseven/internal/testkit"
)

// TestAccessLogOfTraffic pins that the lines of a running process, whatever its
// log's level, say what went over the wire and what became of it.
func TestAccessLogOfTraffic(t *testing.T) {
	t.Parallel()
	live, dead := startBackends(t, 1)[0], testkit.ReserveAddr(t)
	lb := ready(t, fourseven(quick("LB_BACKENDS="+dead+","+live.addr,
		"LB_HEALTH_CHECK=off", "LB_ACCESS_LOG=on", "LB_LOG_LEVEL=error")))
	const request = "POST /a?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
	overL4, sent4 := converse(t, lb.l4, request) // the dead backend's turn
	overL7, sent7 := converse(t, lb.l7, request) // the live one's
	overL7b, sent7b := converse(t, lb.l7, request)
	refused, sentRefused := converse(t, lb.l7, "GET / HTTP/1.1\r\n\r\n")
	live.kill()
	failed, sentFailed := converse(t, lb.l7, request)
	wantResetAtOnce(t, lb.l4)
	lb.awaitOutput(6, "msg=")
	const sizes = ` received=%d sent=%d dial=\S+s duration=\S+s`
	for _, want := range []string{
		fmt.Sprintf(`msg=connection client=%s backend=%s reason=eof retries=1`+sizes+"\n", overL4, live.addr, len(request), sent4),
		fmt.Sprintf(`msg=request client=%s method=POST path="/a\?c=d" status=200 backend=%s retries=0`+sizes+"\n", overL7, live.addr, len(request), sent7),
		fmt.Sprintf(`msg=request client=%s method=POST path="/a\?c=d" status=200 backend=%s retries=1`+sizes+"\n", overL7b, live.addr, len(request), sent7b),
		fmt.Sprintf(`msg=request client=%s method=GET path=/ status=400 backend="" retries=0`+sizes+` reason="`, refused, 18, sentRefused),
		fmt.Sprintf(`msg=request client=%s method=POST path="/a\?c=d" status=503 backend=\S+ retries=1`+sizes+" reason=connect_failed\n", failed, len(request), sentFailed),
		fmt.Sprintf(`msg=connection client=127.0.0.1:\d+ backend="" reason=connect_failed retries=1`+sizes+"\n", 0, 0),
	} {
		if !regexp.MustCompile(want).MatchString(lb.stdout.String()) {
			t.Errorf("no %s", want)
		}
	}
}

// converse sends bytes over a connection of its own and reads all that comes back.
// It returns its address and the length of what came.
func converse(t *testing.T, addr, sent string) (client net.Addr, received int) {
	t.Helper()
	conn := dial(t, addr)
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseWrite()
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn.LocalAddr(), len(answer)
}
