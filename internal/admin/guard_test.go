package admin

import (
	"context"
	"net"
	"net/http"
	"testing"
)

// Pins who may change something: with a token who bears it, from wherever; without
// one this machine alone, itself and under no name that may be another's.
func TestGuard(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	from := func(addr string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = addr } }
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	bearer := header("Authorization", "Bearer hush")
	for _, tt := range []struct {
		name   string
		token  string
		change []func(*http.Request)
		want   int
	}{
		{"from here", "", nil, 200},
		{"from here by IPv6", "", []func(*http.Request){from("[::1]:5"), host("[::1]:9900")}, 200},
		{"from here by a mapped address", "", []func(*http.Request){from("[::ffff:127.0.0.1]:5")}, 200},
		{"to localhost", "", []func(*http.Request){host("localhost:9900")}, 200},
		{"to a bare address", "", []func(*http.Request){host("127.0.0.1")}, 200},
		{"from elsewhere", "", []func(*http.Request){from("10.0.0.1:5")}, 403},
		{"from elsewhere with a token nobody set", "", []func(*http.Request){from("10.0.0.1:5"), header("Authorization", "Bearer ")}, 403},
		{"by a proxy here", "", []func(*http.Request){header("X-Forwarded-For", "10.0.0.1")}, 403},
		{"by another kind of proxy here", "", []func(*http.Request){header("Forwarded", "for=10.0.0.1")}, 403},
		{"by a proxy that says so otherwise", "", []func(*http.Request){header("X-Real-IP", "10.0.0.1")}, 403},
		{"by a proxy that adds its field behind the client's", "", []func(*http.Request){func(r *http.Request) {
			r.Header["X-Forwarded-For"] = []string{"", "10.0.0.1"}
		}}, 403},
		{"under a rebound name", "", []func(*http.Request){host("evil.example:9900")}, 403},
		{"under a name that begins like an address", "", []func(*http.Request){host("127.0.0.1.evil.example")}, 403},
		{"by another site's page", "", []func(*http.Request){header("Sec-Fetch-Site", "cross-site")}, 403},
		{"by another origin's page", "", []func(*http.Request){header("Origin", "http://evil.example")}, 403},
		{"by a page of the same site", "", []func(*http.Request){header("Sec-Fetch-Site", "same-site")}, 403},
		{"by its own page", "", []func(*http.Request){header("Sec-Fetch-Site", "same-origin"), header("Origin", "http://127.0.0.1:9900")}, 200},
		{"with the token", "hush", []func(*http.Request){bearer}, 200},
		{"with the token from elsewhere, by name", "hush", []func(*http.Request){bearer, from("10.0.0.1:5"), host("lb.example")}, 200},
		{"with the token in lower case", "hush", []func(*http.Request){header("Authorization", "bearer hush")}, 200},
		{"without the token from here", "hush", nil, 401},
		{"with another token", "hush", []func(*http.Request){header("Authorization", "Bearer hus")}, 401},
		{"with the token in another scheme", "hush", []func(*http.Request){header("Authorization", "Basic hush")}, 401},
		{"with the token by another site's page", "hush", []func(*http.Request){bearer, header("Sec-Fetch-Site", "cross-site")}, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newGuard(tt.token, "").protect(func(http.ResponseWriter, *http.Request) {})
			if w := ask(h, "POST", "/", "", tt.change...); w.Code != tt.want {
				t.Errorf("%d %s, want %d", w.Code, w.Body, tt.want)
			}
		})
	}
}

// Pins that another site's page cannot have the program profiled either, which is
// done by reading: an image on it would do. Who opens a profile by hand can.
func TestGuardProfiles(t *testing.T) {
	h := newGuard("", "").protect(func(http.ResponseWriter, *http.Request) {})
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
		w := ask(h, "GET", "/debug/pprof/profile", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) })
		if w.Code != want {
			t.Errorf("%s: %d %s, want %d", site, w.Code, w.Body, want)
		}
	}
}

// Pins that a client of a Unix socket, which has no address, is on this machine.
func TestGuardUnix(t *testing.T) {
	unix := func(r *http.Request) {
		r.RemoteAddr, r.Host = "@", "fourseven"
		ctx := context.WithValue(r.Context(), http.LocalAddrContextKey, &net.UnixAddr{Name: "/run/x", Net: "unix"})
		*r = *r.WithContext(ctx)
	}
	h := newGuard("", "").protect(func(http.ResponseWriter, *http.Request) {})
	if w := ask(h, "POST", "/", "", unix); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Pins that a page whose name was made to point at this machine cannot read what the
// program shows (DNS rebinding), and that a Prometheus elsewhere may ask by name.
func TestGuardOwnName(t *testing.T) {
	for _, tt := range []struct {
		name, from, host, path string
		want                   int
	}{
		{"from here by address", "127.0.0.1:5", "127.0.0.1:9900", "/metrics", 200},
		{"from here as localhost", "[::1]:5", "localhost:9900", "/api/config", 200},
		{"from here by the machine's name", "127.0.0.1:5", "LB1:9900", "/metrics", 200},
		{"from here under another name", "127.0.0.1:5", "evil.example:9900", "/api/config", 421},
		{"from here over another of its addresses", "192.0.2.1:5", "evil.example:9900", "/", 421},
		{"a health check under another name", "127.0.0.1:5", "fourseven", "/healthz", 200},
		{"from elsewhere by name", "10.0.0.9:5", "lb.example:9900", "/metrics", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := source(t)
			src.Hostname = "lb1"
			w := ask(Handler(src), "GET", tt.path, "", func(r *http.Request) {
				r.RemoteAddr, r.Host = tt.from, tt.host
				own := &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 9900}
				*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, own))
			})
			if w.Code != tt.want {
				t.Errorf("%d %.200s, want %d", w.Code, w.Body, tt.want)
			}
		})
	}
}
