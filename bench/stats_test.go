package main

import "testing"

func TestSpread(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values []float64
		want   spread
	}{
		{"one", []float64{3}, spread{3, 3, 3}},
		{"odd", []float64{9, 1, 2}, spread{2, 1, 9}},
		{"even", []float64{4, 1, 2, 9}, spread{3, 1, 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := newSpread(tt.values); *got != tt.want {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
	if got := newSpread(nil); got != nil {
		t.Errorf("spread of nothing is %+v, want nil", got)
	}
}

func TestMedianLeavesTheOrder(t *testing.T) {
	t.Parallel()
	values := []float64{3, 1, 2}
	if got := median(values); got != 2 || values[0] != 3 {
		t.Errorf("median %v, values %v", got, values)
	}
	if got := median(nil); got != 0 {
		t.Errorf("median of nothing is %v, want 0", got)
	}
}
