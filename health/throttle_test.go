package health

import (
	"testing"
	"testing/synctest"
	"time"
)

// Pins that each line passes once a second, whatever others do, with the number of
// those that did not.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var th Throttle
		for _, step := range []struct {
			after time.Duration
			line  string
			held  int
			ok    bool
		}{
			{0, "a", 0, true},
			{0, "a", 0, false},
			{0, "b", 0, true},
			{999 * time.Millisecond, "a", 0, false},
			{time.Millisecond, "a", 2, true},
			{time.Millisecond, "a", 0, false},
			{time.Hour, "a", 1, true},
			{0, "b", 0, true},
		} {
			time.Sleep(step.after)
			if held, ok := th.Pass(step.line); held != step.held || ok != step.ok {
				t.Errorf("%+v: got %d, %t", step, held, ok)
			}
		}
	})
}
