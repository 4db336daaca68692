package l4

import (
	"net"
	"testing"

	"fourseven/health"
)

// Pins that a dial which ends at one of the process's own listeners fails: it would be
// accepted, dialled again, and so on until every place is taken.
func TestDialOfOwnListener(t *testing.T) {
	for _, tt := range []struct {
		name, listen, dial string
		own                bool // the listener is this process's
		want               bool // it fails
	}{
		{"loopback", "127.0.0.1:0", "127.0.0.1", true, true},
		{"every address", ":0", "127.0.0.1", true, true},
		{"every address, by IPv6", ":0", "[::1]", true, true},
		{"another loopback address", ":0", "127.0.0.9", true, true},
		{"another process's", "127.0.0.1:0", "127.0.0.1", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", tt.listen)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
			own := &Own{}
			own.Add(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
			if tt.own {
				own.Add(ln.Addr())
			}
			_, port, _ := net.SplitHostPort(ln.Addr().String())
			conn, err := (&Dialer{Timeout: wait, Own: own}).Dial(t.Context(), health.NewBackend(tt.dial+":"+port))
			if (err != nil) != tt.want {
				t.Errorf("error %v, want one: %t", err, tt.want)
			}
			if conn != nil {
				_ = conn.Close()
			}
		})
	}
}
