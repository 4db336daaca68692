package l4

import "testing"

func TestNames(t *testing.T) {
	var n Names[int]
	n.Add("a.example.com", 1)
	n.Add("*.example.com", 2)
	n.Add("*.Sub.Example.COM", 3)
	for _, tt := range []struct {
		name            string
		exact, wildcard int
	}{
		{"a.example.com", 1, 2},
		{"A.Example.Com", 1, 2},
		{"a.example.com.", 1, 2},
		{"b.example.com", 0, 2},
		{"x.sub.example.com", 0, 3},
		{"b.a.example.com", 0, 0}, // *. is one label
		{"example.com", 0, 0},
		{".example.com", 0, 0},
		{"*.example.com", 0, 2},
		{"com", 0, 0},
		{"", 0, 0},
		{".", 0, 0},
		{string(make([]byte, 300)), 0, 0},
		{string(make([]byte, 254)), 0, 0},
	} {
		if exact, wildcard := n.Find([]byte(tt.name)); exact != tt.exact || wildcard != tt.wildcard {
			t.Errorf("%q: got %d and %d, want %d and %d", tt.name, exact, wildcard, tt.exact, tt.wildcard)
		}
	}
	var none Names[int]
	if exact, wildcard := none.Find([]byte("a")); exact+wildcard != 0 {
		t.Error("the zero value has a name")
	}
}

// Pins that a look-up allocates nothing: L7 has one for each request.
func TestNamesFindDoesNotAllocate(t *testing.T) {
	var n Names[int]
	n.Add("*.example.com", 2)
	name := []byte("Api.Example.Com")
	if got := testing.AllocsPerRun(100, func() { n.Find(name) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}
