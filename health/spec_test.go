package health

import (
	"strings"
	"testing"
)

func TestParseSpec(t *testing.T) {
	tests := []struct {
		in     string
		addr   string
		weight int
		tls    TLS
		err    string
	}{
		{in: "db1:5432", addr: "db1:5432", weight: 1},
		{in: "http://10.0.0.1:80", addr: "10.0.0.1:80", weight: 1, tls: TLSOff},
		{in: "http://10.0.0.1:80/", addr: "10.0.0.1:80", weight: 1, tls: TLSOff},
		{in: "tcp://db:1;weight=3", addr: "db:1", weight: 3, tls: TLSOff},
		{in: " [::1]:6379 ; weight=256 ", addr: "[::1]:6379", weight: 256},
		{in: "db:1;", addr: "db:1", weight: 1},
		{in: "DB.example:080", addr: "db.example:80", weight: 1},
		{in: "[0:0:0::1]:80", addr: "[::1]:80", weight: 1},
		{in: "[::ffff:10.0.0.1]:80", addr: "10.0.0.1:80", weight: 1},
		{in: "[FE80::A%eth0]:80", addr: "[fe80::a%eth0]:80", weight: 1},
		{in: "unix:/run/../run//db.sock", addr: "unix:/run/db.sock", weight: 1},
		{in: "", err: "expected host:port or unix:/path"},
		{in: "db1", err: "expected host:port or unix:/path"},
		{in: ":80", err: "expected host:port or unix:/path"},
		{in: "::1:80", err: "expected host:port or unix:/path; did you mean [::1]:80?"},
		{in: "db:0", err: "expected a port from 1 to 65535 after the host"},
		{in: "db:http", err: "expected a port from 1 to 65535 after the host"},
		{in: "db:65536", err: "expected a port from 1 to 65535 after the host"},
		{in: "https://db:443", addr: "db:443", weight: 1, tls: TLSOn},
		{in: "tls://db:6379/;weight=2", addr: "db:6379", weight: 2, tls: TLSOn},
		{in: "ftp://db:21", err: `unknown scheme "ftp", expected http://, https://, tcp://, tls://, dns:// or srv://, or none`},
		{in: "http://db:80/path", err: "expected no path after the port (LB_HEALTH_PATH is the path of probes)"},
		{in: "http://h:8081/path/more", err: "expected no path after the port (LB_HEALTH_PATH is the path of probes)"},
		{in: "a:1 b:2", err: "expected commas between entries, not spaces"},
		{in: "my_db.example.:5432", addr: "my_db.example.:5432", weight: 1},
		{in: "$HOST:80", err: `expected a host, got "$HOST": a variable that was not replaced?`},
		{in: "${HOST}:80", err: `expected a host, got "${HOST}": a variable that was not replaced?`},
		{in: "db\x00:80", err: "expected an address in UTF-8 without control characters"},
		{in: "\ufeffdb:80", err: "expected an address in UTF-8 without control characters"},
		{in: "d\u00e9:80", err: "expected an IP address or a host name, got \"d\u00e9\""},
		// Refused in the answers of a DNS server, these had been taken from a list.
		{in: "255.255.255.255:80", err: "expected an address that a backend can have, not a broadcast or multicast one"},
		{in: "[::ffff:224.0.0.1]:80", err: "expected an address that a backend can have, not a broadcast or multicast one"},
		// Looked up as names, these had been down for ever.
		{in: "300.1.1.1:80", err: `expected an IPv4 address of four numbers from 0 to 255, got "300.1.1.1"`},
		{in: "10.0.1:80", err: `expected an IPv4 address of four numbers from 0 to 255, got "10.0.1"`},
		{in: "0.0.0.0:80", addr: "0.0.0.0:80", weight: 1},
		{in: "10.0.0.1.in-addr.arpa:80", addr: "10.0.0.1.in-addr.arpa:80", weight: 1},
		{in: "a..b:80", err: `expected an IP address or a host name, got "a..b"`},
		{in: strings.Repeat("a", 64) + ":80", err: `expected an IP address or a host name, got "` + strings.Repeat("a", 64) + `"`},
		{in: "unix:/" + strings.Repeat("a", 107), err: "expected a path of at most 107 bytes"},
		{in: "unix:/run/a\nb", err: "expected an address in UTF-8 without control characters"},
		{in: "db:0;weight=0;wieght=2", err: "expected a port from 1 to 65535 after the host; option weight=0: expected a whole number from 1 to 256; " +
			`unknown option "wieght", expected weight=N, max_conns=N, check=PORT or backup`},
		{in: "user@db:80", err: "expected host:port, without a path or user"},
		{in: "db:80;weight=0", err: "option weight=0: expected a whole number from 1 to 256"},
		{in: "db:80;weight", err: "option weight=: expected a whole number from 1 to 256"},
		{in: "db:80;wieght=2", err: `unknown option "wieght", expected weight=N, max_conns=N, check=PORT or backup`},
		{in: "db:80;backup=1", err: "option backup=1: expected backup without a value"},
		{in: "db:80;backup;weight=2", addr: "db:80", weight: 2},
		{in: "db:80;max_conns=0", err: "option max_conns=0: expected a whole number from 1"},
		{in: "unix:/run/db.sock;weight=2", addr: "unix:/run/db.sock", weight: 2},
		{in: "unix:db.sock", err: "expected an absolute path, as in unix:/run/db.sock"},
		{in: "unix:/run/\xff.sock", err: "expected an address in UTF-8 without control characters"},
		{in: "[fe80::1%\xff]:80", err: "expected an address in UTF-8 without control characters"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			b, err := ParseSpec(tt.in)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if b.Addr != tt.addr || b.Weight != tt.weight || b.TLS != tt.tls {
				t.Errorf("got %s weight %d TLS %d, want %s weight %d TLS %d", b.Addr, b.Weight, b.TLS, tt.addr, tt.weight, tt.tls)
			}
		})
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add("db1:5432;weight=3")
	f.Add("http://[::1]:80/")
	f.Add("https://a:443;weight=2")
	f.Add("db1:1;backup;max_conns=7")
	f.Add(";;=")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseSpec(s)
		if err != nil {
			return
		}
		if b.Weight < 1 || b.Weight > MaxWeight {
			t.Errorf("weight %d", b.Weight)
		}
		again, err := ParseSpec(b.String())
		if err != nil || again.String() != b.String() {
			t.Errorf("%q parses to %q, which does not parse to itself: %v", s, b, err)
		}
	})
}
