package http1

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestRequestHead pins what RequestHead returns for what a client sends, in one
// piece and byte by byte: the head, or the status to respond with.
func TestRequestHead(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, tt := range []struct {
		name, sent, head string
		status           int   // of an *Error
		err              error // or another one
	}{
		{name: "whole", sent: get + "GET /next", head: get},
		{name: "behind empty lines", sent: "\r\n\r\n" + get, head: get},
		{name: "at the limit", sent: "GET / HTTP/1.1\r\nX: 345678901234567890\r\n\r\n", head: "GET / HTTP/1.1\r\nX: 345678901234567890\r\n\r\n"},
		{name: "too long a line", sent: "GET /" + strings.Repeat("a", 60), status: 414},
		{name: "too long a head", sent: "GET / HTTP/1.1\r\nX: " + strings.Repeat("a", 60), status: 431},
		{name: "bare LF", sent: "GET / HTTP/1.1\nHost: a\r\n\r\n", status: 400},
		{name: "TLS", sent: "\x16\x03\x01\x02", status: 400},
		{name: "a bad line before the head's end", sent: "GET / HTTP/1.1\r\nHost : a\r\n", status: 400},
		{name: "cut off", sent: "GET / HT", err: io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, conn := range []io.Reader{strings.NewReader(tt.sent), iotest.OneByteReader(strings.NewReader(tt.sent))} {
				rd := &Reader{Conn: conn}
				head, err := rd.RequestHead(len("GET / HTTP/1.1\r\nX: 345678901234567890\r\n\r\n"))
				var refused *Error
				if errors.As(err, &refused); tt.status != 0 && (refused == nil || refused.Status != tt.status) {
					t.Errorf("error %v, want status %d", err, tt.status)
				}
				if tt.status == 0 && err != tt.err {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				if string(head) != tt.head {
					t.Errorf("head %q, want %q", head, tt.head)
				}
			}
		})
	}
}

// TestResponseHead pins that ResponseHead reports whether the backend has sent
// anything, and refuses early what is no response.
func TestResponseHead(t *testing.T) {
	for _, tt := range []struct {
		name, sent, head string
		begun            bool
		err              string
	}{
		{"whole", "HTTP/1.1 200 OK\r\n\r\nbody", "HTTP/1.1 200 OK\r\n\r\n", true, ""},
		{"with bare LF", "HTTP/1.0 200 OK\n\n", "HTTP/1.0 200 OK\n\n", true, ""},
		{"behind an empty line", "\r\nHTTP/1.1 200 OK\r\n\r\nbody", "\r\nHTTP/1.1 200 OK\r\n\r\n", true, ""},
		{"behind two bare LF", "\n\nHTTP/1.1 200 OK\r\n\r\n", "\n\nHTTP/1.1 200 OK\r\n\r\n", true, ""},
		{"nothing", "", "", false, "EOF"},
		{"an empty line alone", "\r\n", "", true, "EOF"},
		{"half an empty line", "\r", "", true, "EOF"},
		{"bare CR", "\rHTTP/1.1 200 OK", "", true, "malformed response: no HTTP/1 status line"},
		{"empty lines alone", strings.Repeat("\r\n", SmallBuffer), "", true, "malformed response: head too long"},
		{"cut off", "HTTP/1.1 20", "", true, "EOF"},
		{"not HTTP", "SSH-2.0", "", true, "malformed response: no HTTP/1 status line"},
		{"too long", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", SmallBuffer), "", true, "malformed response: head too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, conn := range []io.Reader{strings.NewReader(tt.sent), iotest.OneByteReader(strings.NewReader(tt.sent))} {
				rd := &Reader{Conn: conn}
				head, begun, err := rd.ResponseHead(SmallBuffer)
				if string(head) != tt.head || begun != tt.begun || err == nil != (tt.err == "") || err != nil && err.Error() != tt.err {
					t.Errorf("%q, %v, %v; want %q, %v, %s", head, begun, err, tt.head, tt.begun, tt.err)
				}
			}
		})
	}
}
