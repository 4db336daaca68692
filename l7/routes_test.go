package l7

import (
	"testing"

	"fourseven/l7/http1"
)

func TestRoutes(t *testing.T) {
	servers := map[string]*Server{}
	name := func(s *Server) string {
		for n, other := range servers {
			if s == other {
				return n
			}
		}
		return "none"
	}
	r := &Routes{}
	for _, one := range []struct{ host, prefix, name string }{
		{"a.example.com", "/api", "a api"}, {"a.example.com", "/api/v2", "a api v2"}, {"a.example.com", "/dir/", "a dir"},
		{"*.example.com", "", "wildcard"}, {"*.example.com", "/api/v1", "wildcard api v1"},
		{"", "/static", "static"}, {"[::1]", "", "v6"}, {"b.example.com", "/", "b"},
	} {
		servers[one.name] = &Server{}
		r.Add(one.host, one.prefix, servers[one.name])
	}
	for _, tt := range []struct{ host, target, want string }{
		{"a.example.com", "/api", "a api"},
		{"A.Example.COM:8000", "/api/", "a api"},
		{"a.example.com.", "/api?x=/api/v2", "a api"},
		{"a.example.com", "/api/v1", "a api"}, // the host comes before the path
		{"a.example.com", "/api/v2/x", "a api v2"},
		{"a.example.com", "/api/v22", "a api"},
		{"a.example.com", "/apis", "wildcard"},
		{"a.example.com", "/API", "wildcard"},
		{"a.example.com", "/%61pi", "wildcard"},
		{"a.example.com", "//api", "wildcard"},
		{"a.example.com", "/x/../api", "wildcard"},
		{"a.example.com", "/dir", "wildcard"},
		{"a.example.com", "/dir/", "a dir"},
		{"a.example.com", "/dir/x", "a dir"},
		{"a.example.com", "*", "wildcard"},
		{"b.example.com", "/x", "b"},
		{"b.example.com", "*", "wildcard"},
		{"x.a.example.com", "/static/x", "static"},
		{"", "/static", "static"}, // HTTP/1.0
		{"", "/", "none"},
		{"[::1]:80", "/", "v6"},
		{"[::1]", "/", "v6"},
		{"::1", "/", "none"},
	} {
		if got := name(r.find(&http1.Request{Host: []byte(tt.host), Target: []byte(tt.target)})); got != tt.want {
			t.Errorf("%s%s: %s, want %s", tt.host, tt.target, got, tt.want)
		}
	}
	servers["default"] = &Server{}
	r.Default = servers["default"]
	if got := name(r.find(&http1.Request{Host: []byte("x"), Target: []byte("/")})); got != "default" {
		t.Errorf("what nothing was added for: %s", got)
	}
	req := &http1.Request{Host: []byte("A.example.com:80"), Target: []byte("/api/v2?x")}
	if n := testing.AllocsPerRun(100, func() { r.find(req) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
