package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, send string
		addrs            []string
		http             bool
		host, request    string
		wantSend         string
	}{
		{"plain", "http://a.example", "", []string{"a.example:80"}, true, "a.example", "/", ""},
		{"path and query", "http://a.example:8080/x/?q=1", "", []string{"a.example:8080"}, true, "a.example:8080", "/x/?q=1", ""},
		{"several", "http://10.0.0.1:80/h, http://10.0.0.2:80/h", "", []string{"10.0.0.1:80", "10.0.0.2:80"}, true, "10.0.0.1:80", "/h", ""},
		{"IPv6", "http://[::1]:8080", "", []string{"[::1]:8080"}, true, "[::1]:8080", "/", ""},
		{"tcp", "tcp://db:5432,tcp://db:5433", "", []string{"db:5432", "db:5433"}, false, "db:5432", "", ""},
		{"tcp that is sent something", "tcp://r:6379", `PING "x"\r\n`, []string{"r:6379"}, false, "r:6379", "", "PING \"x\"\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseTarget(tt.text, tt.send)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.addrs, tt.addrs) || got.http != tt.http || got.host != tt.host || got.send != tt.wantSend {
				t.Errorf("got %+v", got)
			}
			if tt.http && got.request != tt.request {
				t.Errorf("request %q, want %q", got.request, tt.request)
			}
		})
	}
}

func TestParseTargetRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, send, want string }{
		{"empty", "", "", "expected names with commas"},
		{"no scheme", "localhost:80", "", "expected http://host:port or tcp://host:port"},
		{"a path alone", "/x", "", "expected http://host:port or tcp://host:port"},
		{"no URL", "http://a b", "", "invalid character"},
		{"https", "https://a.example", "", "for a service with TLS"},
		{"user", "http://u:p@a.example", "", "no user"},
		{"fragment", "http://a.example/#x", "", "no user or fragment"},
		{"no host", "http://:80", "", "expected a host"},
		{"port too large", "http://a:70000", "", "port 70000: expected 1 to 65535"},
		{"tcp without port", "tcp://a", "", "expected a port"},
		{"tcp with path", "tcp://a:1/x", "", "expected nothing after the port"},
		{"mixed", "http://a:1,tcp://a:1", "", "all targets to be http:// or all tcp://"},
		{"another path", "http://a:1/x,http://b:1/y", "", "the path of the first target, /x"},
		{"twice", "http://a,http://a:80", "", "listed twice"},
		{"too many", strings.Repeat("http://a,", 64) + "http://a", "", "65 addresses, expected up to 64"},
		{"send for http", "http://a", "x", "-send is for tcp targets"},
		{"bad escape", "tcp://a:1", `\q`, "expected text with escapes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseTarget(tt.text, tt.send); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// The warning adds up what the service may be sent.
func TestTargetWarning(t *testing.T) {
	t.Parallel()
	opts, err := parseOptions([]string{"-target", "http://a:1/x", "-requests", "100", "-rounds", "2", "-d", "1s"})
	if err != nil {
		t.Fatal(err)
	}
	got := opts.target.warning(opts)
	// 2 scenarios, 3 contenders, 2 rounds; a request to open each of 1 and 8 connections;
	// and 2 each for the service itself, L4 and L7 before that.
	for _, want := range []string{"warning: http://a:1/x is sent real load", "up to 1,260 GET requests, 8 at a time", "12 samples of up to 1s each"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}
