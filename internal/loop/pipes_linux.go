//go:build !portable

package loop

import "sync"

// Bulk is spliced through pipes, of which a Group has at most MaxPipes. The first
// ones are large: a system gives a user who is not root 64 such pipes in all, and
// a program that takes over needs some while this one still runs. When all are
// taken, bulk is copied.
const (
	MaxPipes   = maxLarge + maxSmall
	maxLarge   = 32
	maxSmall   = 96
	largePipe  = 1 << 20
	smallPipe  = 64 << 10
	sparePipes = 8 // that a loop keeps
)

// platform is what a Group has on this system only.
type platform struct{ pipes *pipeBudget }

func newPlatform(c Config) platform { return platform{&pipeBudget{max: c.Pipes}} }

// pipeBudget counts the pipes of a Group.
type pipeBudget struct {
	max          int // of both kinds; zero is MaxPipes
	mu           sync.Mutex
	large, small int
}

// acquire reports whether there may be another pipe, and a large one.
func (b *pipeBudget) acquire() (large, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.max > 0 && b.large+b.small >= b.max:
	case b.large < maxLarge:
		b.large++
		return true, true
	case b.small < maxSmall:
		b.small++
		return false, true
	}
	return false, false
}

// demote counts a large pipe as a small one, which it has become.
func (b *pipeBudget) demote() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.large--
	b.small++
}

func (b *pipeBudget) release(large bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if large {
		b.large--
	} else {
		b.small--
	}
}

// total returns how many pipes there are.
func (b *pipeBudget) total() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.large + b.small
}
