package l7_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"

	"fourseven/health"
	"fourseven/l4"
	"fourseven/l7"
)

// TestSourceHashBehindProxies pins that source_hash goes by the client that a trusted
// proxy names, and not by the proxy, which sent all clients to one backend.
func TestSourceHashBehindProxies(t *testing.T) {
	var backends []string
	for i := range 5 {
		backends = append(backends, httpBackend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, i) }))
	}
	hashing := func(trusted ...netip.Prefix) *proxy {
		return startProxy(t, func(s *l7.Server) {
			s.Pool.Balance, s.TrustedProxies = health.SourceHash, l4.Peers{Networks: trusted}
		}, backends...)
	}
	trusting := hashing(netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"))
	choice := func(p *proxy, fields string) string {
		t.Helper()
		resp, body := p.do(t, "GET / HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n")
		if resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		return body
	}
	of := func(client string) string {
		turn := trusting.Pool.TurnFor(netip.MustParseAddr(client))
		b := turn.Next()
		defer b.Release()
		for i, addr := range backends {
			if addr == b.Addr {
				return fmt.Sprint(i)
			}
		}
		return ""
	}
	seen := map[string]bool{}
	for i := range 20 {
		client := fmt.Sprintf("192.0.2.%d", i)
		got := choice(trusting, "X-Forwarded-For: "+client+"\r\n")
		if want := of(client); got != want {
			t.Errorf("client %s: backend %s, want %s", client, got, want)
		}
		seen[got] = true
	}
	if len(seen) < 2 {
		t.Error("all clients got one backend")
	}
	for _, tt := range []struct{ name, fields, client string }{
		{"none", "", "127.0.0.1"},
		{"what the client says is not believed", "X-Forwarded-For: 192.0.2.1, 192.0.2.7\r\n", "192.0.2.7"},
		{"two proxies", "X-Forwarded-For: 192.0.2.1, 192.0.2.7, 10.0.0.9\r\n", "192.0.2.7"},
		{"two fields", "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.0.0.9\r\n", "192.0.2.7"},
		{"all are trusted", "X-Forwarded-For: 10.0.0.3, 10.0.0.9\r\n", "10.0.0.3"},
		{"with a port", "X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7"},
		{"IPv6", "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
		{"IPv6 with a port", "X-Forwarded-For: [2001:db8::7]:4711\r\n", "2001:db8::7"},
		{"IPv6 in brackets", "X-Forwarded-For: [2001:db8::7]\r\n", "2001:db8::7"}, // had been the proxy's
		{"IPv4 in IPv6", "X-Forwarded-For: ::ffff:192.0.2.7\r\n", "192.0.2.7"},
		{"bad", "X-Forwarded-For: unknown\r\n", "127.0.0.1"},
		{"bad behind a trusted one", "X-Forwarded-For: 192.0.2.7, _x, 10.0.0.9\r\n", "127.0.0.1"},
		{"empty entry", "X-Forwarded-For: 192.0.2.7,\r\n", "127.0.0.1"},
		{"before a chunked body", "X-Forwarded-For: 192.0.2.7\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "192.0.2.7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := choice(trusting, tt.fields), of(tt.client); got != want {
				t.Errorf("backend %s, want %s, that of %s", got, want, tt.client)
			}
		})
	}
	if got, want := choice(hashing(), "X-Forwarded-For: 192.0.2.7\r\n"), of("127.0.0.1"); got != want {
		t.Errorf("of a client that is not trusted: backend %s, want %s", got, want)
	}
}
