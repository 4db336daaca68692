package config

import (
	"net"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"fourseven/health"
)

// RequestMethod is the method of an HTTP request.
type RequestMethod string

// UnmarshalText accepts methods that ask for a path (RFC 9110 section 9.1).
func (m *RequestMethod) UnmarshalText(text []byte) error {
	*m = RequestMethod(text)
	if !httpguts.ValidHeaderFieldName(string(text)) || string(text) == "CONNECT" || strings.ToUpper(string(text)) != string(text) {
		return errUnexpected
	}
	return nil
}

// RequestHost is the Host field of an HTTP request, or empty.
type RequestHost string

// UnmarshalText accepts a host, with a port or without.
func (h *RequestHost) UnmarshalText(text []byte) error {
	*h = RequestHost(text)
	if len(text) == 0 {
		return nil
	}
	host := string(text)
	if name, port, err := net.SplitHostPort(host); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		return unexpectedIf(err != nil || n == 0 || health.CheckHost(name) != nil)
	}
	if bare, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(bare, "]")
		return unexpectedIf(health.CheckHost(host) != nil || !strings.Contains(host, ":"))
	}
	return unexpectedIf(health.CheckHost(host) != nil || strings.Contains(host, ":"))
}

func unexpectedIf(bad bool) error {
	if bad {
		return errUnexpected
	}
	return nil
}

// RequestFields are lines of an HTTP request's head, each with CRLF at its end.
type RequestFields string

// ownFields are those that a probe sets itself.
var ownFields = map[string]bool{"Host": true, "Connection": true, "Content-Length": true, "Transfer-Encoding": true}

// UnmarshalText reads lines, with escapes as in a Payload. Empty lines do not count.
func (f *RequestFields) UnmarshalText(text []byte) error {
	var p Payload
	if err := p.UnmarshalText(text); err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(p)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) ||
			ownFields[textproto.CanonicalMIMEHeaderKey(name)] {
			return errUnexpected
		}
		b.WriteString(name + ": " + value + "\r\n")
	}
	*f = RequestFields(b.String())
	return nil
}

func (f RequestFields) String() string {
	return Payload(strings.TrimRight(string(f), " \r\n")).String()
}

// Pattern is a regular expression (RE2), or none.
type Pattern struct{ expr *regexp.Regexp }

// Regexp returns the expression, or nil if there is none.
func (p Pattern) Regexp() *regexp.Regexp { return p.expr }

// UnmarshalText compiles the expression.
func (p *Pattern) UnmarshalText(text []byte) (err error) {
	if p.expr = nil; len(text) > 0 {
		p.expr, err = regexp.Compile(string(text))
	}
	return unexpectedIf(err != nil)
}

func (p Pattern) String() string {
	if p.expr == nil {
		return ""
	}
	return p.expr.String()
}
