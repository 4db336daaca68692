package config

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"fourseven/health"
)

// Pins that a backend which is one of the process's own listeners is a fault: each
// connection to it took another slot, until all were taken.
func TestBackendIsOwnListener(t *testing.T) {
	local := "127.0.0.1"
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			local = p.Addr().String() // of the last interface, which is seldom the loopback
		}
	}
	for _, tt := range []struct{ settings, backends, want string }{
		{"", "127.0.0.1:9000", "LB_L4_LISTEN=:9000"},
		{"", "127.5.5.5:8000", "LB_L7_LISTEN=:8000"},
		{"", "[::1]:9000", "LB_L4_LISTEN=:9000"},
		{"", "0.0.0.0:9000", "LB_L4_LISTEN=:9000"},
		{"", local + ":9000", "LB_L4_LISTEN=:9000"},
		{"", "127.0.0.1:9900", "LB_ADMIN_LISTEN=127.0.0.1:9900"},
		{"", "127.0.0.2:9900", ""},
		{"", "192.0.2.1:9000", ""},
		{"", "localhost:9000", ""}, // found when it is looked up
		{"LB_L4_LISTEN=0.0.0.0:9000", "127.0.0.1:9000", "LB_L4_LISTEN=0.0.0.0:9000"},
		{"LB_L4_LISTEN=0.0.0.0:9000", "[::1]:9000", ""},
		{"LB_L4_LISTEN=off", "127.0.0.1:9000", ""},
		{"LB_L4_LISTEN=localhost:9000", "127.0.0.1:9000", "LB_L4_LISTEN=localhost:9000"},
		{"LB_L4_LISTEN=192.0.2.7:9000", "127.0.0.1:9000", ""},
		{"LB_L4_LISTEN=192.0.2.7:9000", "192.0.2.7:9000", "LB_L4_LISTEN=192.0.2.7:9000"},
		{"LB_L4_LISTEN=unix:/run/lb.sock", "unix:/run//lb.sock", "LB_L4_LISTEN=unix:/run/lb.sock"},
		{"LB_L4_LISTEN=unix:/run/lb.sock", "unix:/run/db.sock", ""},
	} {
		_, err := Load(append(strings.Fields(tt.settings), "LB_BACKENDS=192.0.2.200:1,"+tt.backends))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s, backend %s: %v", tt.settings, tt.backends, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), "this process's own listener "+tt.want+",")):
			t.Errorf("%s, backend %s: %v, want a fault that names %s", tt.settings, tt.backends, err, tt.want)
		}
	}
	cfg, err := Load([]string{"LB_BACKENDS=192.0.2.200:1"})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{"127.0.0.1:9000": true, "[::1]:8000": true, "127.0.0.1:9001": false, "192.0.2.1:9000": false} {
		if got := cfg.Own(netip.MustParseAddrPort(addr)); got != want {
			t.Errorf("own %s: %t, want %t", addr, got, want)
		}
	}
	list := Backends{}
	if err := list.UnmarshalText([]byte("192.0.2.1:1,127.0.0.1:9000")); err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckBackends("LB_BACKENDS", list); err == nil || !strings.Contains(err.Error(), `entry "127.0.0.1:9000"`) {
		t.Errorf("a list that is read again: %v", err)
	}
	cfg.Services[0].Balance = health.Single
	if err := list.UnmarshalText([]byte("192.0.2.1:1,192.0.2.2:1;backup")); err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckBackends("LB_BACKENDS", list); err == nil || !strings.Contains(err.Error(), `entry "192.0.2.2:1;backup"`) {
		t.Errorf("a list that is read again, with single: %v", err)
	}
}
