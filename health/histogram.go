package health

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// mantissas are the upper bounds of the buckets of each decade: fine enough for an
// estimate of a percentile to be within a quarter of the truth.
var mantissas = [...]time.Duration{10, 15, 25, 40, 50, 70}

const (
	decades    = 7
	numBuckets = decades*6 + 2 // 100 s is the last bound; beyond it there is one more bucket
)

// bounds are the upper bounds of all buckets but the last, from 10 µs to 100 s.
var bounds = func() (all [numBuckets - 1]time.Duration) {
	unit := time.Microsecond
	for i := range all {
		all[i] = mantissas[i%len(mantissas)] * unit
		if i%len(mantissas) == len(mantissas)-1 {
			unit *= 10
		}
	}
	return all
}()

// firstBucket is the first bucket that a duration may be in whose nanoseconds have that
// many bits.
var firstBucket = func() (first [65]uint8) {
	for n := 1; n < len(first); n++ {
		least, i := uint64(1)<<(n-1), 0
		for i < len(bounds) && uint64(bounds[i]) < least {
			i++
		}
		first[n] = uint8(i)
	}
	return first
}()

// Histogram counts durations by size. The zero value is empty. It is safe for concurrent
// use; Observe takes no lock and allocates nothing.
type Histogram struct {
	buckets [numBuckets]atomic.Uint64
	sum     atomic.Int64 // in nanoseconds
}

// Observe counts a duration. A negative one counts as zero.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	i := int(firstBucket[bits.Len64(uint64(d))])
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// Durations returns what has been counted so far.
func (h *Histogram) Durations() (d Durations) {
	for i := range h.buckets {
		d.buckets[i] = h.buckets[i].Load()
	}
	d.Sum = time.Duration(h.sum.Load())
	return d
}

// Durations are the counts of a Histogram at one time, or between two times.
type Durations struct {
	// Sum is that of all durations.
	Sum     time.Duration
	buckets [numBuckets]uint64
}

// Since returns what was counted after the earlier of two snapshots.
func (d Durations) Since(earlier *Durations) Durations {
	d.Sum -= earlier.Sum
	for i := range d.buckets {
		d.buckets[i] -= earlier.buckets[i]
	}
	return d
}

// Count returns how many durations were counted.
func (d *Durations) Count() (n uint64) {
	for _, b := range d.buckets {
		n += b
	}
	return n
}

// AtMost returns how many durations were no longer than this one, which must be 1, 1.5,
// 2.5, 4, 5 or 7 times a power of ten from 10 µs to 100 s.
func (d *Durations) AtMost(bound time.Duration) (n uint64) {
	for i := range bounds {
		if bounds[i] > bound {
			break
		}
		n += d.buckets[i]
	}
	return n
}

// Quantile estimates the duration that the share q of all, from 0 to 1, do not exceed.
// Without durations it is 0. Those beyond 100 s count as 100 s.
func (d *Durations) Quantile(q float64) time.Duration {
	rank, below := q*float64(d.Count()), uint64(0)
	if rank == 0 {
		return 0
	}
	for i, n := range d.buckets {
		if n == 0 || float64(below+n) < rank {
			below += n
			continue
		}
		if i == len(bounds) {
			break
		}
		low := time.Duration(0)
		if i > 0 {
			low = bounds[i-1]
		}
		return low + time.Duration((rank-float64(below))/float64(n)*float64(bounds[i]-low))
	}
	return bounds[len(bounds)-1]
}
