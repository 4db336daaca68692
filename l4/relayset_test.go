package l4

import (
	"testing"
	"time"
)

// Pins that a sweep passes over the looks that all relays do without, that each relay is
// still looked at when its time has come, and that a new one is looked at next.
func TestSweepDozes(t *testing.T) {
	s := relaySet{open: []place{{skip: 5}, {skip: 3}, {skip: 9}}}
	if got := s.spare(); got != 3 {
		t.Errorf("%d looks are passed over, want 3", got)
	}
	if s.pass(3); s.looks != 3 {
		t.Errorf("%d looks are counted, want 3", s.looks)
	}
	if s.open[0].skip != 2 || s.open[1].skip != 0 || s.open[2].skip != 6 || s.dozing {
		t.Errorf("after three looks: %+v", s.open)
	}
	if got := s.spare(); got != 0 {
		t.Errorf("%d looks are passed over though one is due", got)
	}

	group, err := NewLoops(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	relays := &Relays{}
	l := group.Loops()[0]
	donec := make(chan struct{})
	l.Go(func() {
		defer close(donec)
		busy, _ := relays.pace()
		s := relaySet{relays: relays, loop: l, sweeping: true, dozing: true, turn: 7, open: []place{{skip: 5, relay: &relay{}}}}
		s.dozes = relays.now() - 2*busy - busy/2
		s.add(&relay{})
		if s.open[0].skip != 3 || s.open[1].skip != 0 || s.dozing || s.turn != 8 {
			t.Errorf("a new relay in a doze: %+v, dozing %t, turn %d", s.open, s.dozing, s.turn)
		}
		s.open = nil
	})
	select {
	case <-donec:
	case <-time.After(wait):
		t.Fatal("the fiber has not ended")
	}
}
