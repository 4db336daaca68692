package main

import "slices"

// spread is how a value was distributed over the rounds.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// newSpread returns the spread of values, nil if there are none.
func newSpread(values []float64) *spread {
	if len(values) == 0 {
		return nil
	}
	return &spread{Median: median(values), Min: slices.Min(values), Max: slices.Max(values)}
}

// median returns the middle of values, the mean of the two in the middle if
// their number is even, and 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}
