//go:build linux

package config

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"fourseven/l4"
)

// TestAddressCollides asks the system as well: addresses that collide cannot both be
// bound, and others can.
func TestAddressCollides(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		one, other string
		want       bool
	}{
		{":PORT", ":PORT", true},
		{":PORT", "0.0.0.0:PORT", true},
		{"0.0.0.0:PORT", "[::]:PORT", true},
		{":PORT", "127.0.0.1:PORT", true},
		{"[::]:PORT", "127.0.0.1:PORT", true},
		{"127.0.0.1:PORT", "127.0.0.1:0PORT", true},
		{"127.0.0.1:PORT", "[::ffff:127.0.0.1]:PORT", true},
		{"127.0.0.1:PORT", "127.0.0.2:PORT", false},
		{"127.0.0.1:PORT", "127.0.0.1:0", false},
		{"127.0.0.1:0", "127.0.0.1:00", false},
		{"unix:" + dir + "/a", "unix:" + dir + "//a", true},
		{"unix:" + dir + "/a", "unix:" + dir + "/b", false},
		{"off", "off", false},
		{"", "", false},
	} {
		one, other := Address(strings.ReplaceAll(tt.one, "PORT", "20000")), Address(strings.ReplaceAll(tt.other, "PORT", "20000"))
		if got := newListener("", "", one).collides(newListener("", "", other)); got != tt.want || newListener("", "", other).collides(newListener("", "", one)) != tt.want {
			t.Errorf("%q and %q: got %t, want %t", one, other, got, tt.want)
		}
		if one.Off() || one == "" {
			continue
		}
		if bound := canBind(t, tt.one, tt.other); bound == tt.want {
			t.Errorf("%q and %q: collide is %t, and bound %t", one, other, tt.want, bound)
		}
	}
}

// canBind reports whether both addresses can be listened on at once, for some port in
// place of PORT: another process may have one of the ports that are tried.
func canBind(t *testing.T, one, other string) bool {
	t.Helper()
	for range 5 {
		port := strconv.Itoa(20000 + rand.N(12000)) // below those that the kernel gives to clients
		if bindBoth(t, strings.ReplaceAll(one, "PORT", port), strings.ReplaceAll(other, "PORT", port)) {
			return true
		}
	}
	return false
}

func bindBoth(t *testing.T, addrs ...string) bool {
	t.Helper()
	for _, addr := range addrs {
		ln, err := l4.Listen(t.Context(), addr)
		if err != nil {
			return false
		}
		defer func() { _ = ln.Close() }()
	}
	return true
}
