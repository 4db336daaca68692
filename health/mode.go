package health

import (
	"fmt"
	"time"
)

// Mode says what the operator wants of a backend, beside what its probes say.
type Mode uint8

// The modes of a backend.
const (
	// ModeReady lets it take traffic while it is up.
	ModeReady Mode = iota
	// ModeDrain gives it no new turns; its connections go on.
	ModeDrain
	// ModeDown counts as down, whatever its probes say.
	ModeDown
)

var modeNames = [...]string{"ready", "drain", "down"}

// String returns the mode's word as it stands in logs.
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

// Mode returns what the operator wants of the backend.
func (b *Backend) Mode() Mode { return Mode(b.mode.Load()) }

// Up reports whether the backend is up by its probes, and was not put down by the
// operator.
func (b *Backend) Up() bool { return b.Status().State == Up && b.Mode() != ModeDown }

// Down reports whether the backend is down, by its probes or by the operator.
func (b *Backend) Down() bool { return b.Status().State == Down || b.Mode() == ModeDown }

// takesTraffic reports whether the backend may have new turns.
func (b *Backend) takesTraffic() bool { return b.Status().State == Up && b.Mode() == ModeReady }

// CurrentWeight returns the weight that the operator gave the backend, or else its
// own.
func (b *Backend) CurrentWeight() int {
	if w := b.given.Load(); w > 0 {
		return int(w)
	}
	return b.Weight
}

// steered reports whether the operator has said something of the backend that holds.
func (b *Backend) steered() bool { return b.Mode() != ModeReady || b.given.Load() != 0 }

// Find returns the pool's backend at that address, or nil.
func (p *Pool) Find(addr string) *Backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.backends {
		if b.Addr == addr {
			return b
		}
	}
	return nil
}

// SetMode makes the backend's mode this one. It holds for the address until it is
// changed, also while the address is not in the list.
func (p *Pool) SetMode(b *Backend, m Mode) {
	if p.setMode(b, m) && p.OnDown != nil {
		p.OnDown(b)
	}
}

// setMode reports whether a backend that was up is down now.
func (p *Pool) setMode(b *Backend, m Mode) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, up := b.Mode(), !b.Down()
	if old == m {
		return false
	}
	b.mode.Store(uint32(m))
	if old == ModeDown {
		p.recoverLocked(b)
	}
	if p.Logger != nil {
		p.Logger.Info("backend mode", "backend", b.Addr, "mode", m.String(), "was", old.String())
	}
	p.publishLocked()
	return up && b.Down()
}

// recoverLocked begins the growth of the weight of a backend that the operator has
// brought back: it was as if down, and may have been started anew.
func (p *Pool) recoverLocked(b *Backend) {
	if p.SlowStart <= 0 || p.unprobed || b.Status().State != Up {
		return
	}
	b.recovered = time.Now()
	b.Suspect() // with each probe begins who takes care of the growth
}

// SetWeight gives the backend another weight, 1 to MaxWeight. It holds for the
// address until the list gives that another weight of its own.
func (p *Pool) SetWeight(b *Backend, weight int) error {
	if weight < 1 || weight > MaxWeight {
		return fmt.Errorf("weight %d: expected a whole number from 1 to %d", weight, MaxWeight)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := b.CurrentWeight(); old != weight && p.Logger != nil {
		p.Logger.Info("backend weight", "backend", b.Addr, "weight", weight, "was", old)
	}
	b.given.Store(int32(weight))
	p.layOutLocked()
	return nil
}
