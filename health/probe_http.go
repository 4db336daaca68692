package health

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"

	"fourseven/l7/http1"
)

const (
	// maxProbeHead bounds the head of a response to a probe, and maxProbeBody what is
	// read of its body, so that a short one is not cut off by a reset.
	maxProbeHead = 64 << 10
	maxProbeBody = 16 << 10
	// maxProbeInterim is how many 1xx responses may come before the response.
	maxProbeInterim = 16
)

// hintTLS is for backends that expect TLS.
const hintTLS = "LB_BACKEND_TLS=on if the backend expects TLS, LB_HEALTH_TLS=on for its probes alone"

// HTTP is a probe by an HTTP request. Redirects are not followed. Responses are read as L7
// reads them: a backend whose responses L7 refuses is down.
type HTTP struct {
	// Method is GET if it is empty. Path is what is asked for.
	Method, Path string
	// Host is the request's Host field. If empty, it is the address that is probed.
	Host string
	// Fields are further lines of the request's head, each with CRLF at its end.
	Fields string
	// Hidden keeps the values of Fields out of errors where the backend repeats them.
	Hidden bool
	// Accepts reports whether a response with this status passes.
	Accepts func(status int) bool
	// Standby reports whether this status means that the backend works and wants no
	// traffic. If nil, none does.
	Standby func(status int) bool
	// Match, if not nil, must match the first 64 KiB of the body.
	Match *regexp.Regexp
	Via   Via
}

// httpAnswer is a backend's response to an http probe.
type httpAnswer struct {
	status int
	body   []byte // only for Match
}

// Probe probes the backend once.
func (h HTTP) Probe(ctx context.Context, b *Backend) error {
	got, err := h.ask(ctx, b)
	switch {
	case err != nil:
		return err
	case h.Standby != nil && h.Standby(got.status):
		return fmt.Errorf("%s: status %d: %w", h, got.status, ErrStandby)
	case !h.Accepts(got.status):
		return hinted{fmt.Errorf("%s: status %d", h, got.status), statusHint(got.status)}
	case h.Match != nil && !h.Match.Match(got.body):
		return fmt.Errorf("%s: status %d: %w", h, got.status, errNoMatch(h.Match, h.masked(got.body)))
	}
	return nil
}

// masked returns a body as errors show it.
func (h HTTP) masked(body []byte) []byte {
	if h.Hidden {
		for line := range strings.Lines(h.Fields) {
			_, value, _ := strings.Cut(line, ":")
			body = masked(body, value)
		}
	}
	return body
}

// String returns the method and the path.
func (h HTTP) String() string { return h.method() + " " + h.Path }

func (h HTTP) method() string { return cmp.Or(h.Method, "GET") }

// statusHint returns what makes a backend pass that responds with this status. It is
// empty if the status means that the backend does not work.
func statusHint(status int) string {
	switch {
	case status == 404, status == 405, status == 501:
		return "set LB_HEALTH_PATH to a path that the backend has, or LB_HEALTH_CHECK=tcp"
	case status == 401, status == 403:
		return "set LB_HEALTH_PATH to a path that needs no login, or accept the status with LB_HEALTH_STATUS"
	case status == 400:
		return hintTLS
	case status < 400:
		return "LB_HEALTH_STATUS=200-399 accepts it"
	}
	return ""
}

// ask sends the request and returns the answer. The error is a notHTTPError if the
// backend does not seem to speak HTTP.
func (h HTTP) ask(ctx context.Context, b *Backend) (got httpAnswer, err error) {
	via := h.Via
	via.named, via.http = hostOnly(h.Host), true
	err = via.talk(ctx, b, func(conn net.Conn) error {
		if _, err := io.WriteString(conn, h.request(b)); err != nil {
			return fmt.Errorf("%s: %w", h, headError(nil, err))
		}
		rd := &http1.Reader{Conn: conn}
		defer rd.Release()
		got, err = h.read(rd)
		if err != nil {
			return fmt.Errorf("%s: %w", h, err)
		}
		return nil
	})
	return got, err
}

// request returns the request, which has no body.
func (h HTTP) request(b *Backend) string {
	var r strings.Builder
	fmt.Fprintf(&r, "%s HTTP/1.1\r\nHost: %s\r\n", h, cmp.Or(h.Host, h.Via.hostOf(b)))
	if !strings.Contains("\n"+strings.ToLower(h.Fields), "\nuser-agent:") {
		r.WriteString("User-Agent: fourseven-health-check\r\n")
	}
	if m := h.method(); m != "GET" && m != "HEAD" { // else some servers wait for a body
		r.WriteString("Content-Length: 0\r\n")
	}
	r.WriteString(h.Fields + "Connection: close\r\n\r\n")
	return r.String()
}

// read reads a response.
func (h HTTP) read(rd *http1.Reader) (httpAnswer, error) {
	var resp http1.Response
	for range maxProbeInterim {
		head, _, err := rd.ResponseHead(maxProbeHead)
		if err != nil {
			return httpAnswer{}, headError(rd.Unread(), err)
		}
		if err := resp.Parse(head); err != nil {
			return httpAnswer{}, headError(head, err)
		}
		if resp.Status >= 200 || resp.Status == 101 {
			body, err := h.readBody(rd, resp.BodyLength(h.method() == "HEAD"))
			return httpAnswer{resp.Status, body}, err
		}
	}
	return httpAnswer{}, &http1.ResponseError{Rule: "too many interim responses"}
}

// readBody returns the beginning of the body for Match. Without Match it reads a short
// body, so that the backend does not see a reset, and returns nothing.
func (h HTTP) readBody(rd *http1.Reader, length int64) (got []byte, err error) {
	var body http1.Body
	body.Start(rd, length)
	most := maxProbeBody
	if h.Match != nil {
		most = maxMatched
	}
	for n := 0; n < most; {
		piece, err := body.Next()
		switch {
		case err == io.EOF || err != nil && h.Match == nil:
			return got, nil
		case err != nil:
			return got, fmt.Errorf("read the body: %w", cause(err))
		}
		if n += len(piece); h.Match != nil {
			got = append(got, piece[:min(len(piece), most-len(got))]...)
		}
	}
	return got, nil
}

// hostOnly returns the host of a Host field, without the port.
func hostOnly(field string) string {
	if host, _, err := net.SplitHostPort(field); err == nil {
		return host
	}
	return field
}

// notHTTPError is returned for a backend that does not seem to speak HTTP: it closed
// the connection without a response, or it sent something else.
type notHTTPError struct{ got []byte }

func (e notHTTPError) Error() string {
	if len(e.got) == 0 {
		return "the connection was closed without a response"
	}
	return fmt.Sprintf("expected an HTTP response, got %q", e.got[:min(len(e.got), 32)])
}

// httpStart is the beginning of the response of every present HTTP server.
const httpStart = "HTTP/"

// headError returns the error of a response whose head could not be read, only these
// bytes.
func headError(got []byte, err error) error {
	n := min(len(got), len(httpStart))
	ended := err == io.EOF || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case ended && len(got) == 0:
		return hinted{notHTTPError{}, "LB_HEALTH_CHECK=tcp if the backend does not speak HTTP, LB_BACKEND_TLS=on if it expects TLS (LB_HEALTH_TLS=on for its probes alone), LB_HEALTH_PROXY if it expects a PROXY header"}
	case bytes.HasPrefix(got, []byte{0x15, 0x03}): // an alert, RFC 8446 section 5.1
		return hinted{notHTTPError{bytes.Clone(got)}, hintTLS}
	case string(got[:n]) != httpStart[:n]:
		return hinted{notHTTPError{bytes.Clone(got)}, "LB_HEALTH_CHECK=tcp if the backend does not speak HTTP"}
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case len(got) == 0:
		return hinted{cause(err), "LB_HEALTH_CHECK=tcp if the backend does not speak HTTP, or a longer LB_HEALTH_TIMEOUT"}
	}
	return cause(err)
}

// hostOf returns the Host field of a probe: the address that is probed, without the
// zone of a link-local one (RFC 6874 section 1).
func (v Via) hostOf(b *Backend) string {
	network, addr := v.addr(b)
	if network != "tcp" {
		return "localhost"
	}
	host, port, _ := net.SplitHostPort(addr)
	host, _, _ = strings.Cut(host, "%")
	return net.JoinHostPort(host, port)
}
