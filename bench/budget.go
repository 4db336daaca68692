package main

import "sync/atomic"

// budget bounds how many operations a load does. A nil budget has no end.
type budget struct {
	left  atomic.Int64
	spent gate // all operations have been done
}

func newBudget(n int) *budget {
	b := &budget{spent: newGate(n)}
	b.left.Store(int64(n))
	return b
}

// take reports whether another operation may be started.
func (b *budget) take() bool { return b == nil || b.left.Add(-1) >= 0 }

// done counts an operation that take has allowed.
func (b *budget) done() {
	if b != nil {
		b.spent.pass()
	}
}

// exhausted is closed when all operations have been done.
func (b *budget) exhausted() <-chan struct{} {
	if b == nil {
		return nil
	}
	return b.spent.open
}
