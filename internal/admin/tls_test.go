package admin

import (
	"testing"
	"time"
)

// Pins that days are whole ones, and that the last one is over when the certificate is.
func TestDaysLeft(t *testing.T) {
	const day = 24 * time.Hour
	for left, want := range map[time.Duration]int{
		30 * day: 30, 14*day - 1: 13, day: 1, day - 1: 0, 0: 0, -1: -1, -day: -1, -day - 1: -2,
	} {
		if got := daysLeft(left); got != want {
			t.Errorf("%v: %d days, want %d", left, got, want)
		}
	}
}
