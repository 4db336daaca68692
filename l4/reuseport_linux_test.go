package l4

import (
	"strings"
	"testing"
)

// TestListeners pins who of /proc/net/tcp shares an address.
func TestListeners(t *testing.T) {
	const file = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0000000000000000 100 0 0 10 0
   1: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12 1 0000000000000000 100 0 0 10 0
   2: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 13 1 0000000000000000 100 0 0 10 0
   3: 0100007F:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 14 1 0000000000000000 100 0 0 10 0
   4: 0100007F:2328 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 15 1 0000000000000000 20 4 30 10 -1
   5: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 16 1 0000000000000000 100 0 0 10 0
`
	all := listeners(strings.NewReader(file))
	if len(all) != 4 {
		t.Errorf("%d listeners, want 4: what comes behind a connection is not read", len(all))
	}
	if others, found := sharing(all, 11); !found || len(others) != 1 || others[0] != 12 {
		t.Errorf("got %v %v, want 12", others, found)
	}
	if others, found := sharing(all, 99); found {
		t.Errorf("found what is not there: %v", others)
	}
}
