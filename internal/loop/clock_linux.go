//go:build !portable

package loop

import "time"

// epoch is the origin of the loops' clock.
var epoch = time.Now()

// now returns the loops' clock: nanoseconds that only grow, never 0.
func now() int64 { return int64(time.Since(epoch)) + 1 }

// clock converts a deadline. A zero time is 0, which is none.
func clock(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(int64(t.Sub(epoch))+1, 1)
}
