package health

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func backends(weights ...int) []*Backend {
	var bs []*Backend
	for i, w := range weights {
		bs = append(bs, Spec{Addr: string(rune('a'+i)) + ":1", Weight: w}.Backend())
	}
	return bs
}

// ringOf lays the backends out with the weights that they were given.
func ringOf(bs []*Backend) *ring {
	var members []member
	for _, b := range bs {
		members = append(members, member{b, b.CurrentWeight()})
	}
	return newRing(members)
}

func letters(r *ring) string {
	var s strings.Builder
	for _, i := range r.slots {
		s.WriteString(r.members[i].Addr[:1])
	}
	return s.String()
}

// Pins the layout of smooth weighted round robin, which others (nginx) have made
// the expected one.
func TestRingIsSmooth(t *testing.T) {
	tests := []struct {
		weights []int
		want    string
	}{
		{nil, ""},
		{[]int{1}, "a"},
		{[]int{1, 1, 1}, "abc"},
		{[]int{5, 1, 1}, "aabacaa"},
		{[]int{1, 2}, "bab"},
		{[]int{4, 2}, "aba"},
		{[]int{100, 100}, "ab"},
	}
	for _, tt := range tests {
		if got := letters(ringOf(backends(tt.weights...))); got != tt.want {
			t.Errorf("weights %v: %q, want %q", tt.weights, got, tt.want)
		}
	}
}

func TestRingHoldsExactShares(t *testing.T) {
	weights := []int{7, 3, 11, 1, 256}
	got := make([]int, len(weights))
	for _, i := range ringOf(backends(weights...)).slots {
		got[i]++
	}
	if !slices.Equal(got, weights) {
		t.Errorf("%v slots for the weights %v", got, weights)
	}
}

// Pins that comparing classes instead of members changes nothing: the layout is
// that of smooth weighted round robin as it is usually written.
func TestRingIsTheUsualLayout(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		weights := make([]int, 1+rng.IntN(12))
		for i := range weights {
			weights[i] = 1 + rng.IntN(9)
		}
		if got, want := ringOf(backends(weights...)).slots, usualLayout(weights); !slices.Equal(got, want) {
			t.Fatalf("weights %v: %v, want %v", weights, got, want)
		}
	}
}

func usualLayout(weights []int) (slots []int32) {
	total, common := 0, 0
	for _, w := range weights {
		total += w
		common = gcd(common, w)
	}
	current := make([]int, len(weights))
	for range total / common {
		best := 0
		for i, w := range weights {
			if current[i] += w; current[i] > current[best] {
				best = i
			}
		}
		current[best] -= total
		slots = append(slots, int32(best))
	}
	return slots
}

// Pins that a backend lighter than another never has two turns in a row, from the
// end of one round into the next as well.
func TestRingKeepsLightBackendsApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		weights := make([]int, 2+rng.IntN(8))
		for i := range weights {
			weights[i] = 1 + rng.IntN(20)
		}
		r := ringOf(backends(weights...))
		for i, at := range r.slots {
			if at == r.slots[(i+1)%len(r.slots)] && weights[at] < slices.Max(weights) {
				t.Fatalf("weights %v: two turns in a row for weight %d at %d", weights, weights[at], i)
			}
		}
	}
}

// BenchmarkLayOut is what a change of a backend's state costs.
func BenchmarkLayOut(b *testing.B) {
	for name, weigh := range map[string]func(int) int{
		"equal":    func(int) int { return 1 },
		"mixed":    func(i int) int { return 1 + i%4 },
		"all 1000": func(i int) int { return 1 + i%MaxWeight },
	} {
		b.Run(name, func(b *testing.B) {
			var members []member
			for i := range 1000 {
				members = append(members, member{NewBackend(fmt.Sprintf("10.0.%d.%d:80", i/256, i%256)), weigh(i)})
			}
			for b.Loop() {
				newRing(members)
			}
		})
	}
}
