package logging

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
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
	handler slog.Handler
	json    bool
}

// NewAccessLog returns an access log that writes lines in a format, text or json, to w,
// which must take every line (a Sink).
func NewAccessLog(w io.Writer, format string) *AccessLog {
	if format == "json" { // not NewHandler's, which looks at each attribute again
		return &AccessLog{slog.NewJSONHandler(w, nil), true}
	}
	return &AccessLog{slog.NewTextHandler(w, nil), false}
}

// Of returns an access log whose lines have the name of a service. A nil log has none.
func (a *AccessLog) Of(service string) *AccessLog {
	if a == nil {
		return nil
	}
	return &AccessLog{a.handler.WithAttrs([]slog.Attr{slog.String("service", service)}), a.json}
}

// duration returns a time to the microsecond: in JSON as a number of seconds.
func (a *AccessLog) duration(key string, d time.Duration) slog.Attr {
	d = d.Round(time.Microsecond)
	if a.json {
		return slog.Float64(key, d.Seconds())
	}
	return slog.Duration(key, d)
}

// Connection writes the line of a connection over L4 that has ended.
func (a *AccessLog) Connection(r l4.Record) {
	attrs := [...]slog.Attr{
		slog.String("client", clientName(r.Client)),
		slog.String("backend", r.Backend),
		slog.String("reason", string(r.Reason)),
		slog.Int("retries", r.Retries),
		slog.Int64("received", r.Received),
		slog.Int64("sent", r.Sent),
		a.duration("dial", r.Dial),
		a.duration("duration", r.Whole),
		slog.String("tls", r.TLS.Version),
		slog.String("sni", printable([]byte(r.TLS.ServerName))),
	}
	n := len(attrs)
	if r.TLS.Version == "" {
		n -= 2
	}
	a.write("connection", r.Began.Add(r.Whole), attrs[:n])
}

// Request writes the line of a request over L7 that has ended.
func (a *AccessLog) Request(r *l7.Record) {
	attrs := [...]slog.Attr{
		slog.String("client", clientName(r.Client)),
		slog.String("method", printable(r.Method)),
		slog.String("path", printable(r.Target)),
		slog.Int("status", r.Status),
		slog.String("backend", r.Backend),
		slog.Int("retries", r.Retries),
		slog.Int64("received", r.Received),
		slog.Int64("sent", r.Sent),
		a.duration("dial", r.Dial),
		a.duration("duration", r.Whole),
		{}, {}, {}, // those that not all lines have
	}
	n := len(attrs) - 3
	if r.Refusal != "" || r.Reason != "" {
		attrs[n] = slog.String("reason", cmp.Or(r.Refusal, string(r.Reason)))
		n++
	}
	if r.TLS != nil {
		attrs[n], attrs[n+1] = slog.String("tls", r.TLS.Version), slog.String("sni", printable([]byte(r.TLS.ServerName)))
		n += 2
	}
	a.write("request", r.Began.Add(r.Whole), attrs[:n])
}

// write goes to the handler itself: a Logger looks up who called it, which would
// be most of the cost.
func (a *AccessLog) write(message string, ended time.Time, attrs []slog.Attr) {
	record := slog.NewRecord(ended, slog.LevelInfo, message, 0)
	record.AddAttrs(attrs...)
	_ = a.handler.Handle(context.Background(), record) // the Sink takes everything
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
