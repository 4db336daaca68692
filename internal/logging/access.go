package logging

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"fourseven/l4"
	"fourseven/l7"
)

// AccessLog writes one line for each connection over L4 and each request over L7,
// when it has ended. Its lines are of level info, and come whatever the level of
// the log is. They have the same fields in the same order; reason is left out of a
// request that ended whole, and tls (the version) and sni (the server name that was asked
// for) without TLS. It is safe for concurrent use.
type AccessLog struct {
	w       io.Writer
	json    bool
	service string // empty if lines have none
}

// NewAccessLog returns an access log that writes lines in a format, text or json, to w,
// which must take every line (a Sink).
func NewAccessLog(w io.Writer, format string) *AccessLog {
	return &AccessLog{w: w, json: format == "json"}
}

// Of returns an access log whose lines have the name of a service. A nil log has none.
func (a *AccessLog) Of(service string) *AccessLog {
	if a == nil {
		return nil
	}
	return &AccessLog{a.w, a.json, service}
}

// begin returns the line of what has ended.
func (a *AccessLog) begin(message string, ended time.Time) *line {
	l := newLine(a.json, ended, message)
	if a.service != "" {
		l.text("service", a.service)
	}
	return l
}

func (a *AccessLog) write(l *line) {
	_, _ = a.w.Write(l.end()) // the Sink takes everything
	l.release()
}

// Connection writes the line of a connection over L4 that has ended.
func (a *AccessLog) Connection(r l4.Record) {
	l := a.begin("connection", r.Began.Add(r.Whole))
	l.client(r.Client)
	l.text("backend", r.Backend)
	l.text("reason", string(r.Reason))
	l.number("retries", int64(r.Retries))
	l.number("received", r.Received)
	l.number("sent", r.Sent)
	l.duration("dial", r.Dial)
	l.duration("duration", r.Whole)
	if r.TLS.Version != "" {
		l.tls(&r.TLS)
	}
	a.write(l)
}

// Request writes the line of a request over L7 that has ended.
func (a *AccessLog) Request(r *l7.Record) {
	l := a.begin("request", r.Began.Add(r.Whole))
	l.client(r.Client)
	l.text("method", printable(r.Method))
	l.text("path", printable(r.Target))
	l.number("status", int64(r.Status))
	l.text("backend", r.Backend)
	l.number("retries", int64(r.Retries))
	l.number("received", r.Received)
	l.number("sent", r.Sent)
	l.duration("dial", r.Dial)
	l.duration("duration", r.Whole)
	if why := cmp.Or(r.Refusal, string(r.Reason)); why != "" {
		l.text("reason", why)
	}
	if r.TLS != nil {
		l.tls(r.TLS)
	}
	a.write(l)
}

func (l *line) tls(info *l4.TLSInfo) {
	l.text("tls", info.Version)
	l.text("sni", printable([]byte(info.ServerName)))
}

// clientName is the client's address; those of a Unix socket have none.
func clientName(client netip.AddrPort) string {
	if !client.IsValid() {
		return "unix"
	}
	return client.String()
}

// printable returns what a client sent, with each byte that is not of a UTF-8 character
// as %XX: JSON could not distinguish those. What breaks lines or fields is the handler's
// to quote.
func printable(sent []byte) string {
	if utf8.Valid(sent) {
		return string(sent)
	}
	var b strings.Builder
	for len(sent) > 0 {
		r, n := utf8.DecodeRune(sent)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, "%%%02X", sent[0])
		} else {
			b.Write(sent[:n])
		}
		sent = sent[n:]
	}
	return b.String()
}
