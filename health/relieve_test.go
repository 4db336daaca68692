package health

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestRelieve pins that what may keep a backend from answering is given up before a
// failed probe counts, that the probe is repeated only if there was anything, and once.
func TestRelieve(t *testing.T) {
	for _, tt := range []struct {
		name     string
		relieves int // calls of Relieve that give something up
		mends    bool
		probes   int
		state    State
	}{
		{"nothing to give up", 0, false, 1, Down},
		{"it was in the way", 1, true, 2, Up},
		{"it was not in the way", 9, false, 2, Down},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBackend("127.0.0.1:1")
			probes, relieved := 0, 0
			c := &Checker{
				Pool: NewPool(b), Timeout: time.Hour,
				Probe: func(context.Context, *Backend) error {
					if probes++; tt.mends && relieved > 0 {
						return nil
					}
					return errors.New("no answer")
				},
				Relieve: func(*Backend) bool { relieved++; return relieved <= tt.relieves },
			}
			c.CheckAll(t.Context())
			if probes != tt.probes || b.Status().State != tt.state {
				t.Errorf("%d probes, state %v, want %d, %v", probes, b.Status().State, tt.probes, tt.state)
			}
		})
	}
}

// TestRelieveWhileSlow pins that a probe need not fail first.
func TestRelieveWhileSlow(t *testing.T) {
	b := NewBackend("127.0.0.1:1")
	relievedc := make(chan struct{})
	c := &Checker{
		Pool: NewPool(b), Timeout: 200 * time.Millisecond,
		Probe: func(ctx context.Context, _ *Backend) error {
			select {
			case <-relievedc:
				return nil
			case <-ctx.Done():
				<-relievedc
				return nil // a busy machine: the timer came late
			}
		},
		Relieve: func(*Backend) bool { close(relievedc); return true },
	}
	c.CheckAll(t.Context())
	if s := b.Status().State; s != Up {
		t.Errorf("state %v, want up", s)
	}
}
