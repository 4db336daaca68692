package health

import (
	"slices"
	"strings"
	"testing"
)

func backends(weights ...int) []*Backend {
	var bs []*Backend
	for i, w := range weights {
		b := NewBackend(string(rune('a'+i)) + ":1")
		b.Weight = w
		bs = append(bs, b)
	}
	return bs
}

func letters(r ring) string {
	var s strings.Builder
	for _, b := range r {
		s.WriteString(b.Addr[:1])
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
		if got := letters(newRing(backends(tt.weights...))); got != tt.want {
			t.Errorf("weights %v: %q, want %q", tt.weights, got, tt.want)
		}
	}
}

func TestRingHoldsExactShares(t *testing.T) {
	weights := []int{7, 3, 11, 1, 256}
	bs := backends(weights...)
	r := newRing(bs)
	for i, b := range bs {
		n := 0
		for _, x := range r {
			if x == b {
				n++
			}
		}
		if n != weights[i] {
			t.Errorf("weight %d stands %d times", weights[i], n)
		}
	}
}

// Pins that the turns of a backend that does not answer spread over all others
// by their weights: none gets them all.
func TestRingOtherSpreads(t *testing.T) {
	bs := backends(1, 1, 2)
	r := newRing(bs)
	got := map[*Backend]int{}
	slot := uint64(slices.Index(r, bs[0]))
	for round := range uint64(300) {
		got[r.other(slot+round*uint64(len(r)), bs[:1])]++
	}
	if got[bs[1]] != 100 || got[bs[2]] != 200 {
		t.Errorf("b got %d and c %d of 300, want 100 and 200", got[bs[1]], got[bs[2]])
	}
	if b := r.other(5, bs); b != nil {
		t.Errorf("all tried, still got %s", b.Addr)
	}
}
