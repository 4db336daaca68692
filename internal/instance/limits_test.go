package instance

import "testing"

// TestLimits pins what is kept back of the descriptors, and that memory counts too: a
// container with 512 MiB and a million descriptors must not take half a million
// connections.
func TestLimits(t *testing.T) {
	const plenty = 1 << 62
	for _, tt := range []struct {
		name     string
		own      resources
		backends int
		l7       bool
		want     limits
		from     string
	}{
		{"hardly any", resources{10, plenty}, 1, true, limits{1, 1, 0}, "descriptors"},
		{"few", resources{200, plenty}, 3, true, limits{58, 25, 12}, "descriptors"},
		{"few, without L7", resources{200, plenty}, 3, false, limits{70, 0, 12}, "descriptors"},
		{"usual", resources{1024, plenty}, 2, true, limits{367, 128, 64}, "descriptors"},
		{"many backends", resources{1024, plenty}, 1000, true, limits{352, 128, 64}, "descriptors"},
		{"many", resources{1 << 20, plenty}, 2, true, limits{458607, 131072, 128}, "descriptors"},
		{"no limit", resources{1 << 62, plenty}, 2, true, limits{maxLimit, maxLimit, 128}, "memory"},
		{"a small container", resources{1 << 20, 512 << 20}, 2, true, limits{14336, 131072, 128}, "memory"},
		{"too small a container", resources{1 << 20, 32 << 20}, 2, true, limits{1, 131072, 128}, "memory"},
	} {
		if got, from := tt.own.limits(demand{min(tt.backends, keptProbes), 2, tt.l7}); got != tt.want || from != tt.from {
			t.Errorf("%s: got %+v by %s, want %+v by %s", tt.name, got, from, tt.want, tt.from)
		}
	}
}
