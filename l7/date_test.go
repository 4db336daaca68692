package l7

import (
	"testing"
	"time"
)

// TestDate pins that a Date field follows the clock and costs a response no allocation.
func TestDate(t *testing.T) {
	var d date
	now := time.Date(2026, 11, 26, 7, 0, 0, 999e6, time.FixedZone("", 3600))
	for _, want := range []string{"Date: Thu, 26 Nov 2026 06:00:00 GMT\r\n", "Date: Thu, 26 Nov 2026 06:00:01 GMT\r\n"} {
		d.set(now)
		if got := string(d.append([]byte("X\r\n"))); got != "X\r\n"+want {
			t.Errorf("%q, want %q", got, want)
		}
		now = now.Add(time.Millisecond)
	}
	b := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() { d.append(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { d.set(now) }); n != 0 {
		t.Errorf("%v allocations in the same second", n)
	}
}
