package admin

import (
	"math"
	"strconv"
)

// How often the history looks at the counters, and how many looks it keeps.
const (
	lookSeconds = 2
	looksKept   = 150 // five minutes
)

// track keeps how fast one counter grew between the latest looks. The zero value has seen
// none. Looks are numbered from 0, and each is taken once, in their order.
type track struct {
	began bool
	from  int // the first look with a rate
	total uint64
	rates [looksKept]float32 // a second; of look i at i % looksKept
}

// look takes the counter's total at a look, seconds after the one before.
func (t *track) look(number int, total uint64, seconds float64) {
	switch {
	case !t.began:
		t.began, t.from = true, number+1
	case total < t.total || seconds <= 0: // the backend left and joined again
		t.from = number + 1
	default:
		t.rates[number%looksKept] = float32(float64(total-t.total) / seconds)
	}
	t.total = total
}

// rates are numbers a second, the oldest first; the last one is of the latest look.
type rates []float32

// until returns the rates up to the look with that number.
func (t *track) until(number int) rates {
	all := rates{}
	if !t.began {
		return all
	}
	for i := max(t.from, number-looksKept+1); i <= number; i++ {
		all = append(all, t.rates[i%looksKept])
	}
	return all
}

// MarshalJSON writes the rates with one decimal: charts need no more.
func (r rates) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, v := range r {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, math.Round(float64(v)*10)/10, 'f', -1, 64)
	}
	return append(b, ']'), nil
}
