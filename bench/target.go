package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// target is a service of the reader's own that is measured in place of the bench's
// backends.
type target struct {
	text    string   // as given
	addrs   []string // host:port of each backend
	http    bool     // or plain TCP
	host    string   // of the Host field
	request string   // the path and query of what is asked for
	send    string   // tcp: what is sent before an answer is expected, "" for nothing
}

// maxTargets bounds the list.
const maxTargets = 64

// parseTarget understands -target: URLs with commas between them, all http or all tcp.
func parseTarget(text, send string) (*target, error) {
	urls, err := splitNames("-target", text)
	if err != nil {
		return nil, err
	}
	if len(urls) > maxTargets {
		return nil, fmt.Errorf("-target: %d addresses, expected up to %d", len(urls), maxTargets)
	}
	t := &target{text: text}
	for _, u := range urls {
		if err := t.add(u); err != nil {
			return nil, fmt.Errorf("-target %s: %w", u, err)
		}
	}
	if t.send, err = unescape(send); err != nil {
		return nil, err
	}
	if t.http && t.send != "" {
		return nil, errors.New("-send is for tcp targets: an http target is sent GET requests")
	}
	return t, nil
}

// add takes another address of the service.
func (t *target) add(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.Unwrap(err)
	}
	if err := checkTargetURL(u); err != nil {
		return err
	}
	first := len(t.addrs) == 0
	isHTTP, request := u.Scheme == "http", u.RequestURI()
	switch {
	case first:
		t.http, t.request, t.host = isHTTP, request, u.Host
	case isHTTP != t.http:
		return errors.New("expected all targets to be http:// or all tcp://")
	case isHTTP && request != t.request:
		return fmt.Errorf("expected the path of the first target, %s", t.request)
	case slices.Contains(t.addrs, targetAddr(u)):
		return errors.New("it is listed twice")
	}
	t.addrs = append(t.addrs, targetAddr(u))
	return nil
}

func checkTargetURL(u *url.URL) error {
	switch {
	case u.Scheme == "https":
		return errors.New("expected http://host:port or tcp://host:port; for a service with TLS, tcp:// measures its connections if it speaks first")
	case u.Scheme != "http" && u.Scheme != "tcp":
		return errors.New("expected http://host:port or tcp://host:port")
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("expected a host and a port, and no user or fragment")
	case u.Scheme == "tcp" && (u.Path != "" || u.RawQuery != ""):
		return errors.New("expected nothing after the port")
	case u.Scheme == "tcp" && u.Port() == "":
		return errors.New("expected a port")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("port %s: expected 1 to 65535", port)
		}
	}
	return nil
}

func targetAddr(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// unescape understands \r, \n and the like, as Go's string literals have them.
func unescape(text string) (string, error) {
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		return "", fmt.Errorf(`-send %q: expected text with escapes such as \r\n`, text)
	}
	return s, nil
}

// targetConns is how many connections the larger scenario opens.
const targetConns = 8

func (t *target) scenarios() []scenario {
	one := scenario{open: t.open(), unit: "conn/s", latency: true}
	title := "connections to your service until its first bytes, "
	if t.http {
		one.protocol, one.unit = overHTTP, "req/s"
		title = "GET " + t.request + " of your service, "
	}
	return []scenario{
		one.as("target-1", title+"1 at a time", 1),
		one.as("target-8", fmt.Sprintf("%s%d at a time", title, targetConns), targetConns),
	}
}

// selection returns what is measured: the service without a proxy, through L4, and, if
// it is HTTP, through L7.
func (t *target) selection() selection {
	return selection{scenarios: t.scenarios(), contenders: keep(contenders(), func(c contender) bool {
		return c.name == "direct" || c.name == subject || c.name == detour && t.http
	})}
}

// open returns what opens an operation on the service.
func (t *target) open() opener {
	if t.http {
		return t.openGet
	}
	return t.openAnswer
}

func (t *target) probes() probes {
	p := probes{l4Listener: t.open()}
	if t.http {
		p[l7Listener] = t.open()
	}
	return p
}

// warning returns the warning that names the load the service will receive.
func (t *target) warning(opts options) string {
	samples, most, what, each := 0, 0, "connections", 1
	if t.http {
		what, each = "GET requests", 2 // one when a connection is opened
	}
	for _, s := range opts.only.scenarios {
		n := len(opts.only.players(s)) * opts.rounds
		samples += n
		most += n * (opts.requests + (each-1)*s.conns)
	}
	most += each * (len(t.addrs) + len(t.probes())) // before the first sample
	return fmt.Sprintf("warning: %s is sent real load: up to %s %s, %d at a time, in %d samples of up to %v each. "+
		"Use it on a service that is yours and that may be loaded. Ctrl-C ends it.",
		t.text, thousands(int64(most)), what, targetConns, samples, opts.duration)
}
