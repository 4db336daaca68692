//go:build linux

package main

import (
	"net"
	"strings"
	"testing"

	"fourseven/l4"
)

// TestAddressCollides asks the system as well: what collides cannot be bound, and
// what does not can.
func TestAddressCollides(t *testing.T) {
	_, port, err := net.SplitHostPort(freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
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
		one := address(strings.ReplaceAll(tt.one, "PORT", port))
		other := address(strings.ReplaceAll(tt.other, "PORT", port))
		if got := one.collides(other); got != tt.want || other.collides(one) != tt.want {
			t.Errorf("%q and %q: got %t, want %t", one, other, got, tt.want)
		}
		if one.off() || one == "" {
			continue
		}
		if bound := canBind(t, one, other); bound == tt.want {
			t.Errorf("%q and %q: collide is %t, and bound %t", one, other, tt.want, bound)
		}
	}
}

// canBind reports whether both addresses can be listened on at once.
func canBind(t *testing.T, addrs ...address) bool {
	t.Helper()
	for _, addr := range addrs {
		ln, err := l4.Listen(t.Context(), string(addr))
		if err != nil {
			return false
		}
		defer func() { _ = ln.Close() }()
	}
	return true
}
