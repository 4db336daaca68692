package config

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
		{"bytes", parse[Size], "1000", "1000"},
		{"zero", parse[Size], "0", "0"},
		{"kibibytes", parse[Size], "64KiB", "64KiB"},
		{"largest unit", parse[Size], "2048MiB", "2GiB"},
		{"fraction of a unit", parse[Size], "1536KiB", "1536KiB"},
		{"largest size", parse[Size], "8589934591GiB", "8589934591GiB"},
		{"overflow", parse[Size], "8589934592GiB", "error"},
		{"negative", parse[Size], "-1", "error"},
		{"decimal unit", parse[Size], "64KB", "error"},
		{"unit alone", parse[Size], "KiB", "error"},
		{"space", parse[Size], "64 KiB", "error"},

		{"port", parse[Address], ":9000", ":9000"},
		{"any port", parse[Address], "127.0.0.1:0", "127.0.0.1:0"},
		{"off", parse[Address], "off", "off"},
		{"IPv6", parse[Address], "[::1]:80", "[::1]:80"},
		{"name", parse[Address], "localhost:80", "localhost:80"},
		{"port without colon", parse[Address], "9000", "error"},
		{"no port", parse[Address], "127.0.0.1:", "error"},
		{"large port", parse[Address], ":65536", "error"},
		{"named port", parse[Address], ":http", "error"},
		{"bare IPv6", parse[Address], "::1:80", "error"},
		{"url", parse[Address], "http://a:80", "error"},
		{"Unix socket", parse[Address], "unix:/run/a.sock", "unix:/run/a.sock"},
		{"Unix socket with a mode", parse[Address], "unix:/run/a.sock;mode=0660", "unix:/run/a.sock;mode=0660"},
		{"Unix socket with another mode", parse[Address], "unix:/run/a.sock;mode=rw", "error"},
		{"Unix socket with too much mode", parse[Address], "unix:/run/a.sock;mode=1777", "error"},
		{"Unix socket with another option", parse[Address], "unix:/run/a.sock;owner=1", "error"},
		{"peers", parse[Peers], "10.0.0.0/8, unix", "10.0.0.0/8,unix"},
		{"peers of Unix sockets alone", parse[Peers], "unix", "unix"},
		{"no peers", parse[Peers], "", ""},
		{"peers of nothing", parse[Peers], ",", "error"},
		{"bad peers", parse[Peers], "unix,10.0.0.1/8", "error"},
		{"networks of nothing", parse[Prefixes], ",", "error"},
		{"disabled in another word", parse[Address], "OFF", "error"},

		{"token", parse[Token], "s3cr3t+/=", "(secret)"},
		{"no token", parse[Token], "", ""},
		{"token of two words", parse[Token], "Bearer x", "error"},

		{"path", parse[RequestPath], "/health", "/health"},
		{"query", parse[RequestPath], "/h?deep=1%20", "/h?deep=1%20"},
		{"relative", parse[RequestPath], "health", "error"},
		{"absolute form", parse[RequestPath], "http://a/health", "error"},
		{"fragment", parse[RequestPath], "/a#b", "error"},
		{"space", parse[RequestPath], "/a b", "error"},
		{"second request", parse[RequestPath], "/a\r\nX: y", "error"},
		{"not ASCII", parse[RequestPath], "/ä", "error"},
		{"broken escape", parse[RequestPath], "/%zz", "error"},

		{"method", parse[RequestMethod], "HEAD", "HEAD"},
		{"method in lower case", parse[RequestMethod], "head", "error"},
		{"method without a path", parse[RequestMethod], "CONNECT", "error"},
		{"two methods", parse[RequestMethod], "GET POST", "error"},
		{"no method", parse[RequestMethod], "", "error"},

		{"host", parse[RequestHost], "api.example.com", "api.example.com"},
		{"host and port", parse[RequestHost], "api.example.com:8443", "api.example.com:8443"},
		{"IPv6 host", parse[RequestHost], "[::1]", "[::1]"},
		{"IPv6 host and port", parse[RequestHost], "[::1]:80", "[::1]:80"},
		{"no host", parse[RequestHost], "", ""},
		{"bare IPv6 host", parse[RequestHost], "::1", "error"},
		{"host as a URL", parse[RequestHost], "http://a", "error"},
		{"host and a second line", parse[RequestHost], "a\r\nX: y", "error"},
		{"host with options", parse[RequestHost], "a:1;backup", "error"},

		{"fields", parse[RequestFields], `Authorization: Basic eDp5\r\nX-A:1`, `Authorization: Basic eDp5\r\nX-A: 1`},
		{"fields on lines", parse[RequestFields], "A: 1\r\nB: 2\n\n", `A: 1\r\nB: 2`},
		{"no fields", parse[RequestFields], "", ""},
		{"field without a value", parse[RequestFields], "A:", "A:"},
		{"no field", parse[RequestFields], "A", "error"},
		{"space before the colon", parse[RequestFields], "A : 1", "error"},
		{"folded", parse[RequestFields], "A: 1\n b", "error"},
		{"zero byte", parse[RequestFields], `A: \0`, "error"},
		{"host among fields", parse[RequestFields], "host: a", "error"},
		{"framing among fields", parse[RequestFields], "A: 1\nTransfer-Encoding: chunked", "error"},

		{"pattern", parse[Pattern], `^\*\d+\r\n\$6\r\nmaster`, `^\*\d+\r\n\$6\r\nmaster`},
		{"no pattern", parse[Pattern], "", ""},
		{"pattern with a group open", parse[Pattern], "(", "error"},
		{"pattern that looks back", parse[Pattern], `(a)\1`, "error"},

		{"status", parse[StatusSet], "204", "204"},
		{"no status", parse[StatusSet], "", ""},
		{"ranges", parse[StatusSet], " 200-299 , 304,", "200-299,304"},
		{"spaced range", parse[StatusSet], "200 - 299", "200-299"},
		{"under 100", parse[StatusSet], "99", "error"},
		{"over 599", parse[StatusSet], "200-600", "error"},
		{"upside down", parse[StatusSet], "299-200", "error"},
		{"class", parse[StatusSet], "2xx", "error"},
		{"nothing", parse[StatusSet], ",", "error"},

		{"server without a port", parse[DNSServer], "10.0.0.53", "10.0.0.53:53"},
		{"IPv6 server", parse[DNSServer], "fd00::53", "[fd00::53]:53"},
		{"server", parse[DNSServer], "127.0.0.1:8600", "127.0.0.1:8600"},
		{"server by name", parse[DNSServer], "consul", "consul:53"},
		{"server in capitals", parse[DNSServer], "Consul:08600", "consul:8600"},
		{"server with options", parse[DNSServer], "consul:53;weight=2", "error"},
		{"server as a URL", parse[DNSServer], "tcp://consul:53", "error"},
		{"server on a socket", parse[DNSServer], "unix:/run/dns", "error"},
		{"server on port 0", parse[DNSServer], "127.0.0.1:0", "error"},

		{"text", parse[Payload], `PING\r\n`, `PING\r\n`},
		{"bytes", parse[Payload], `\0\x00\t\xff\\é`, `\x00\x00\x09\xff\\\xc3\xa9`},
		{"spaces at the ends, which do not show", parse[Payload], ` a b `, `\x20a b\x20`},
		{"a space alone", parse[Payload], ` `, `\x20`},
		{"unknown escape", parse[Payload], `\P`, "error"},
		{"escape cut short", parse[Payload], `\x4`, "error"},
		{"escape without digits", parse[Payload], `\xgg`, "error"},
		{"backslash at the end", parse[Payload], `\`, "error"},

		{"networks", parse[Prefixes], "10.0.0.0/8, fd00::/8", "10.0.0.0/8,fd00::/8"},
		{"bare IPv4", parse[Prefixes], "10.0.0.1", "10.0.0.1/32"},
		{"bare IPv6", parse[Prefixes], "::1", "::1/128"},
		{"mapped IPv4", parse[Prefixes], "::ffff:10.0.0.1", "10.0.0.1/32"},
		{"mapped network", parse[Prefixes], "::ffff:10.0.0.0/104", "error"},
		{"zone", parse[Prefixes], "fe80::1%eth0", "error"},
		{"host bits", parse[Prefixes], "10.0.0.1/8", "error"},
		{"name", parse[Prefixes], "proxy.example", "error"},

		{"backends", parse[Backends], "a:1, http://b:2/ ;weight=3 ,", "a:1,b:2;weight=3"},
		{"IPv6 backend", parse[Backends], "[::1]:80", "[::1]:80"},
		{"checks", parse[Backends], "a:1;check=8008,unix:/b;check=C:1", "a:1;check=8008,unix:/b;check=c:1"},
		{"names", parse[Backends], "dns://web:80;backup,srv://_a._tcp.b,c:1", "dns://web:80;backup,srv://_a._tcp.b,c:1"},
		{"twice in other words", parse[Backends], "10.0.0.1:01,[::FFFF:10.0.0.1]:1", "error"},
		{"a name in other words", parse[Backends], "dns://web:80,dns://WEB:080", "error"},
		{"a service in other words", parse[Backends], "srv://_a._tcp.b,srv://_A._TCP.B", "error"},
		{"a name twice", parse[Backends], "dns://web:80,dns://web:80;backup", "error"},
		{"twice", parse[Backends], "a:1,tcp://a:1", "error"},
		{"none", parse[Backends], " , ", "error"},
	} {
		t.Run(fmt.Sprintf("%T/%s", tt.parse, tt.name), func(t *testing.T) {
			if got := tt.parse(tt.text); got != tt.want {
				t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
			}
		})
	}
}

func TestStatusSetContains(t *testing.T) {
	set := StatusSet{{200, 299}, {304, 304}}
	for status, want := range map[int]bool{199: false, 200: true, 299: true, 300: false, 304: true, 305: false} {
		if got := set.Contains(status); got != want {
			t.Errorf("%d: got %t, want %t", status, got, want)
		}
	}
}
