package main

import (
	"encoding"
	"fmt"
	"testing"
)

// parse sets v from text and returns it printed, or the error.
func parse[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](text string) string {
	var v T
	if err := P(&v).UnmarshalText([]byte(text)); err != nil {
		return "error"
	}
	return fmt.Sprint(v)
}

func TestTypes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parse func(string) string
		text  string
		want  string
	}{
		{"bytes", parse[size], "1000", "1000"},
		{"zero", parse[size], "0", "0"},
		{"kibibytes", parse[size], "64KiB", "64KiB"},
		{"largest unit", parse[size], "2048MiB", "2GiB"},
		{"fraction of a unit", parse[size], "1536KiB", "1536KiB"},
		{"largest size", parse[size], "8589934591GiB", "8589934591GiB"},
		{"overflow", parse[size], "8589934592GiB", "error"},
		{"negative", parse[size], "-1", "error"},
		{"decimal unit", parse[size], "64KB", "error"},
		{"unit alone", parse[size], "KiB", "error"},
		{"space", parse[size], "64 KiB", "error"},

		{"port", parse[address], ":9000", ":9000"},
		{"any port", parse[address], "127.0.0.1:0", "127.0.0.1:0"},
		{"off", parse[address], "off", "off"},
		{"IPv6", parse[address], "[::1]:80", "[::1]:80"},
		{"name", parse[address], "localhost:80", "localhost:80"},
		{"port without colon", parse[address], "9000", "error"},
		{"no port", parse[address], "127.0.0.1:", "error"},
		{"large port", parse[address], ":65536", "error"},
		{"named port", parse[address], ":http", "error"},
		{"bare IPv6", parse[address], "::1:80", "error"},
		{"url", parse[address], "http://a:80", "error"},
		{"networks of nothing", parse[prefixes], ",", "error"},
		{"disabled in another word", parse[address], "OFF", "error"},

		{"token", parse[token], "s3cr3t+/=", "(secret)"},
		{"no token", parse[token], "", ""},
		{"token of two words", parse[token], "Bearer x", "error"},

		{"path", parse[requestPath], "/health", "/health"},
		{"query", parse[requestPath], "/h?deep=1%20", "/h?deep=1%20"},
		{"relative", parse[requestPath], "health", "error"},
		{"absolute form", parse[requestPath], "http://a/health", "error"},
		{"fragment", parse[requestPath], "/a#b", "error"},
		{"space", parse[requestPath], "/a b", "error"},
		{"second request", parse[requestPath], "/a\r\nX: y", "error"},
		{"not ASCII", parse[requestPath], "/ä", "error"},
		{"broken escape", parse[requestPath], "/%zz", "error"},

		{"status", parse[statusSet], "204", "204"},
		{"ranges", parse[statusSet], " 200-299 , 304,", "200-299,304"},
		{"spaced range", parse[statusSet], "200 - 299", "200-299"},
		{"under 100", parse[statusSet], "99", "error"},
		{"over 599", parse[statusSet], "200-600", "error"},
		{"upside down", parse[statusSet], "299-200", "error"},
		{"class", parse[statusSet], "2xx", "error"},
		{"nothing", parse[statusSet], ",", "error"},

		{"server without a port", parse[dnsServer], "10.0.0.53", "10.0.0.53:53"},
		{"IPv6 server", parse[dnsServer], "fd00::53", "[fd00::53]:53"},
		{"server", parse[dnsServer], "127.0.0.1:8600", "127.0.0.1:8600"},
		{"server by name", parse[dnsServer], "consul", "consul:53"},
		{"server in capitals", parse[dnsServer], "Consul:08600", "consul:8600"},
		{"server with options", parse[dnsServer], "consul:53;weight=2", "error"},
		{"server as a URL", parse[dnsServer], "tcp://consul:53", "error"},
		{"server on a socket", parse[dnsServer], "unix:/run/dns", "error"},
		{"server on port 0", parse[dnsServer], "127.0.0.1:0", "error"},

		{"text", parse[payload], `PING\r\n`, `PING\r\n`},
		{"bytes", parse[payload], `\0\x00\t\xff\\é`, `\x00\x00\x09\xff\\\xc3\xa9`},
		{"unknown escape", parse[payload], `\P`, "error"},
		{"escape cut short", parse[payload], `\x4`, "error"},
		{"escape without digits", parse[payload], `\xgg`, "error"},
		{"backslash at the end", parse[payload], `\`, "error"},

		{"networks", parse[prefixes], "10.0.0.0/8, fd00::/8", "10.0.0.0/8,fd00::/8"},
		{"bare IPv4", parse[prefixes], "10.0.0.1", "10.0.0.1/32"},
		{"bare IPv6", parse[prefixes], "::1", "::1/128"},
		{"mapped IPv4", parse[prefixes], "::ffff:10.0.0.1", "10.0.0.1/32"},
		{"mapped network", parse[prefixes], "::ffff:10.0.0.0/104", "error"},
		{"zone", parse[prefixes], "fe80::1%eth0", "error"},
		{"host bits", parse[prefixes], "10.0.0.1/8", "error"},
		{"name", parse[prefixes], "proxy.example", "error"},

		{"backends", parse[backends], "a:1, http://b:2/ ;weight=3 ,", "a:1,b:2;weight=3"},
		{"IPv6 backend", parse[backends], "[::1]:80", "[::1]:80"},
		{"names", parse[backends], "dns://web:80;backup,srv://_a._tcp.b,c:1", "dns://web:80;backup,srv://_a._tcp.b,c:1"},
		{"twice in other words", parse[backends], "10.0.0.1:01,[::FFFF:10.0.0.1]:1", "error"},
		{"a name in other words", parse[backends], "dns://web:80,dns://WEB:080", "error"},
		{"a service in other words", parse[backends], "srv://_a._tcp.b,srv://_A._TCP.B", "error"},
		{"a name twice", parse[backends], "dns://web:80,dns://web:80;backup", "error"},
		{"twice", parse[backends], "a:1,tcp://a:1", "error"},
		{"none", parse[backends], " , ", "error"},
	} {
		t.Run(fmt.Sprintf("%T/%s", tt.parse, tt.name), func(t *testing.T) {
			if got := tt.parse(tt.text); got != tt.want {
				t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
			}
		})
	}
}

func TestStatusSetContains(t *testing.T) {
	set := statusSet{{200, 299}, {304, 304}}
	for status, want := range map[int]bool{199: false, 200: true, 299: true, 300: false, 304: true, 305: false} {
		if got := set.Contains(status); got != want {
			t.Errorf("%d: got %t, want %t", status, got, want)
		}
	}
}
