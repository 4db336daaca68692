package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// HTTPProbe passes if the response to GET path has a status that accepts returns true
// for. Redirects are not followed. Responses are read as L7 reads them: a backend whose
// responses L7 refuses is down.
func HTTPProbe(path string, accepts func(status int) bool, via Via) Probe {
	return func(ctx context.Context, b *Backend) error {
		status, err := get(ctx, b, path, via)
		if err != nil {
			return err
		}
		if !accepts(status) {
			return hinted{fmt.Errorf("GET %s: status %d", path, status), statusHint(status)}
		}
		return nil
	}
}

// statusHint returns what makes a backend pass that responds with this status. It is
// empty if the status says that the backend does not work.
func statusHint(status int) string {
	switch {
	case status == 404, status == 405, status == 501:
		return "set LB_HEALTH_PATH to a path that the backend has, or LB_HEALTH_CHECK=tcp"
	case status == 401, status == 403:
		return "set LB_HEALTH_PATH to a path that needs no login, or accept the status with LB_HEALTH_STATUS"
	case status == 400:
		return "LB_HEALTH_TLS=on if the backend expects TLS"
	case status < 400:
		return "LB_HEALTH_STATUS=200-399 accepts it"
	}
	return ""
}

// get asks for the path and returns the response's status. The error is a
// notHTTPError if the backend does not seem to speak HTTP.
func get(ctx context.Context, b *Backend, path string, via Via) (status int, err error) {
	request := "GET " + path + " HTTP/1.1\r\nHost: " + via.hostOf(b) +
		"\r\nUser-Agent: fourseven-health-check\r\nConnection: close\r\n\r\n"
	err = via.talk(ctx, b, func(conn net.Conn) error {
		if _, err := io.WriteString(conn, request); err != nil {
			return fmt.Errorf("GET %s: %w", path, headError(nil, err))
		}
		rd := &http1.Reader{Conn: conn}
		defer rd.Release()
		status, err = readStatus(rd)
		if err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
		return nil
	})
	return status, err
}

// readStatus reads a response and returns its status.
func readStatus(rd *http1.Reader) (int, error) {
	var resp http1.Response
	for range maxProbeInterim {
		head, _, err := rd.ResponseHead(maxProbeHead)
		if err != nil {
			return 0, headError(rd.Unread(), err)
		}
		if err := resp.Parse(head); err != nil {
			return 0, headError(head, err)
		}
		if resp.Status >= 200 || resp.Status == 101 {
			discardBody(rd, resp.BodyLength(false))
			return resp.Status, nil
		}
	}
	return 0, &http1.ResponseError{Rule: "too many interim responses"}
}

// discardBody reads a short body, so that the backend does not see a reset.
func discardBody(rd *http1.Reader, length int64) {
	var body http1.Body
	body.Start(rd, length)
	for n := 0; n < maxProbeBody; {
		piece, err := body.Next()
		if err != nil {
			return
		}
		n += len(piece)
	}
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

// httpStart is what the response of every HTTP server of today begins with.
const httpStart = "HTTP/"

// headError returns what it means that no head could be read, but these bytes.
func headError(got []byte, err error) error {
	n := min(len(got), len(httpStart))
	ended := err == io.EOF || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case ended && len(got) == 0:
		return hinted{notHTTPError{}, "LB_HEALTH_CHECK=tcp if the backend does not speak HTTP, LB_HEALTH_TLS=on if it expects TLS, LB_HEALTH_PROXY if it expects a PROXY header"}
	case bytes.HasPrefix(got, []byte{0x15, 0x03}): // an alert, RFC 8446 section 5.1
		return hinted{notHTTPError{bytes.Clone(got)}, "LB_HEALTH_TLS=on if the backend expects TLS"}
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
