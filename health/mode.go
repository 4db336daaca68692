package health

import (
	"fmt"
	"time"
)

// Mode is the state that the operator wants a backend to have, whatever its probes find.
type Mode uint8

// The modes of a backend.
const (
	// ModeReady lets it take traffic while it is up.
	ModeReady Mode = iota
	// ModeDrain gives it no new turns; its connections go on.
	ModeDrain
	// ModeDown counts as down, whatever its probes find.
	ModeDown
)

var modeNames = [...]string{"ready", "drain", "down"}

// String returns the mode's word as logs have it.
func (m Mode) String() string { return modeNames[m] }

// ParseMode reads a mode's word.
func ParseMode(s string) (Mode, error) {
	for i, name := range modeNames {
		if s == name {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("unknown mode %q, expected ready, drain or down", s)
}

// Mode returns the mode that the operator has set.
func (b *Backend) Mode() Mode { return Mode(b.mode.Load()) }

// Up reports whether the backend is up by its probes, and was not set to down by the
// operator.
func (b *Backend) Up() bool { return b.Status().State == Up && b.Mode() != ModeDown }

// Down reports whether the backend is down or a standby by its probes, or was set to down
// by the operator.
func (b *Backend) Down() bool {
	state := b.Status().State
	return state == Down || state == Standby || b.Mode() == ModeDown
}

// takesTraffic reports whether the backend may have new turns.
func (b *Backend) takesTraffic() bool { return b.Status().State == Up && b.Mode() == ModeReady }

// CurrentWeight returns the weight that the operator has set for the backend, or else
// that of the list.
func (b *Backend) CurrentWeight() int {
	if w := b.override.Load(); w > 0 {
		return int(w)
	}
	return b.spec.Load().Weight
}

// overridden reports whether the operator's mode or weight holds for the backend.
func (b *Backend) overridden() bool { return b.Mode() != ModeReady || b.override.Load() != 0 }

// SetMode changes the backend's mode. It holds for the address until it is changed,
// also while the address is not in the list.
func (p *Pool) SetMode(b *Backend, m Mode) {
	p.change(func() []Transition {
		was, wasDown := b.Mode(), b.Down()
		if was == m {
			return nil
		}
		b.mode.Store(uint32(m))
		if was == ModeDown && p.SlowStart > 0 && !p.unprobed {
			b.restart()
		}
		p.publishLocked()
		return []Transition{{Kind: ModeChanged, Backend: b, Mode: m, WasMode: was, WentDown: b.Down() && !wasDown}}
	})
}

// restart begins the growth of the weight of a backend that the operator has brought
// back: it may have been restarted while it was down.
func (b *Backend) restart() {
	if b.Status().State == Up {
		b.recovered = time.Now()
		b.Suspect() // the checker lets weights grow after each probe
	}
}

// SetWeight sets the backend's weight, 1 to MaxWeight. It holds for the address until
// the list changes the weight that it has for that.
func (p *Pool) SetWeight(b *Backend, weight int) error {
	if weight < 1 || weight > MaxWeight {
		return fmt.Errorf("weight %d: expected a whole number from 1 to %d", weight, MaxWeight)
	}
	p.change(func() []Transition {
		was := b.CurrentWeight()
		b.override.Store(int32(weight))
		p.publishLocked()
		if was == weight {
			return nil
		}
		return []Transition{{Kind: WeightChanged, Backend: b, Weight: weight, WasWeight: was}}
	})
	return nil
}
