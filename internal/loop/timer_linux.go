//go:build !portable

package loop

import (
	"container/heap"
	"iter"
	"time"
)

// timer is a time at which a loop does something, once.
type timer struct {
	when  int64
	at    int    // its place in the heap and one; 0 if it is not set
	fiber *fiber // to be woken, or
	fire  func() // to be called in the loop itself
}

func (t *timer) set() bool { return t.at != 0 }

// timers are those of a loop that are set.
type timers struct{ heap timerHeap }

// set sets or moves a timer.
func (ts *timers) set(t *timer, when int64) {
	t.when = when
	if t.at == 0 {
		heap.Push(&ts.heap, t)
		return
	}
	heap.Fix(&ts.heap, t.at-1)
}

func (ts *timers) unset(t *timer) {
	if t.at != 0 {
		heap.Remove(&ts.heap, t.at-1)
	}
}

// wait returns the milliseconds until the first timer, rounded up; negative if
// there is none.
func (ts *timers) wait() int {
	if len(ts.heap) == 0 {
		return -1
	}
	left := time.Duration(ts.heap[0].when - now())
	return int(max((min(left, time.Hour)+time.Millisecond-1)/time.Millisecond, 0))
}

// expire fires the timers that are due.
func (ts *timers) expire(at int64) {
	for len(ts.heap) > 0 && ts.heap[0].when <= at {
		t := heap.Pop(&ts.heap).(*timer)
		if t.fiber != nil {
			t.fiber.loop.wake(t.fiber)
		} else {
			t.fire()
		}
	}
}

// fibers yields the fibers that sleep.
func (ts *timers) fibers() iter.Seq[*fiber] {
	return func(yield func(*fiber) bool) {
		for _, t := range ts.heap {
			if t.fiber != nil && !yield(t.fiber) {
				return
			}
		}
	}
}

// timerHeap implements heap.Interface.
type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].when < h[j].when }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i+1, j+1
}

// Push implements heap.Interface.
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	*h = append(*h, t)
	t.at = len(*h)
}

// Pop implements heap.Interface.
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.at = 0
	return t
}
