package health

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func upPool(t testing.TB, weights ...int) *Pool {
	t.Helper()
	p := NewPool(backends(weights...)...)
	p.MarkAllUp()
	return p
}

func next(t *testing.T, p *Pool) string {
	t.Helper()
	turn := p.Turn()
	b := turn.Next()
	if b == nil {
		return ""
	}
	b.Release()
	return b.Addr[:1]
}

func TestFirstTurnIsTheFirstBackends(t *testing.T) {
	p := upPool(t, 1, 1)
	if got := next(t, p) + next(t, p) + next(t, p); got != "aba" {
		t.Errorf("turns %s, want aba", got)
	}
}

// 3,000 picks from 50 goroutines over 3 backends give exactly 1,000 each.
func TestTurnsAreExactUnderConcurrency(t *testing.T) {
	p := upPool(t, 1, 1, 1)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 60 {
				turn := p.Turn()
				b := turn.Next()
				b.Count()
				b.Release()
			}
		})
	}
	wg.Wait()
	for _, b := range p.Backends() {
		if b.Total() != 1000 || b.Active() != 0 {
			t.Errorf("%s: total %d, active %d, want 1000 and 0", b.Addr, b.Total(), b.Active())
		}
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	p := upPool(t, 1, 1, 1)
	n := testing.AllocsPerRun(1000, func() {
		turn := p.Turn()
		turn.Next().Release()
	})
	if n != 0 {
		t.Errorf("%v allocations a pick", n)
	}
}

// Pins that a retry draws no second ticket: with two backends and one that does
// not answer, drawing again would send every new client to the dead one first.
func TestRetryDrawsNoTicket(t *testing.T) {
	p := upPool(t, 1, 1)
	var first strings.Builder
	for range 6 {
		turn := p.Turn()
		b := turn.Next()
		first.WriteString(b.Addr[:1])
		b.Release()
		other := turn.Next()
		if other == nil || other == b {
			t.Fatalf("after %s came %v", b.Addr, other)
		}
		other.Release()
		if third := turn.Next(); third != nil {
			t.Fatalf("a third backend of two: %s", third.Addr)
		}
	}
	if first.String() != "ababab" {
		t.Errorf("first tries %s, want ababab", first.String())
	}
}

// Pins that a backend with all the connections it may have is passed over, and
// that its turns do not get lost.
func TestMaxConnsOverflows(t *testing.T) {
	p := upPool(t, 1, 1, 1)
	full := p.Backends()[0]
	limit(full, 1)
	var held []*Backend
	for range 7 {
		turn := p.Turn()
		held = append(held, turn.Next())
	}
	if full.Active() != 1 || p.Backends()[1].Active() != 3 || p.Backends()[2].Active() != 3 {
		t.Errorf("active %d, %d, %d, want 1, 3, 3", full.Active(), p.Backends()[1].Active(), p.Backends()[2].Active())
	}
	for _, b := range held {
		b.Release()
	}
	for _, b := range p.Backends() {
		limit(b, 1)
		turn := p.Turn()
		turn.Next()
	}
	turn := p.Turn()
	if b := turn.Next(); b != nil || turn.Tried() {
		t.Errorf("all are full, still got %v", b)
	}
}

func TestEmptyPool(t *testing.T) {
	p := NewPool(backends(1)...)
	if got := next(t, p); got != "" || p.Ready() {
		t.Errorf("a pool whose backends are unknown gave %q, ready %v", got, p.Ready())
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{3, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := upPool(b, make1s(n)...)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					turn := p.Turn()
					turn.Next().Release()
				}
			})
		})
	}
}

func make1s(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = 1
	}
	return s
}
