//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// fault is the end of a backend.
type fault struct {
	backend  string // its number
	from, to time.Time
}

// failure is an operation of a client that failed.
type failure struct {
	kind         string
	backend      string // that the client knew it was on; may be empty
	began, ended time.Time
	err          error
}

// explains reports whether the operation failed because of the fault: it was under
// way while the backend ended, and not on another one.
func (f fault) explains(x failure) bool {
	return !x.ended.Before(f.from) && !x.began.After(f.to) && (x.backend == "" || x.backend == f.backend)
}

// record counts operations. It is safe for concurrent use.
type record struct {
	mu       sync.Mutex
	began    time.Time
	done     map[string]int
	slowest  map[string]time.Duration
	failures []failure
	faults   []fault
}

func newRecord() *record {
	return &record{began: time.Now(), done: map[string]int{}, slowest: map[string]time.Duration{}}
}

func (r *record) fault(f fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, f)
}

// operation does something as a client, and counts it. What it does returns which
// backend it was on, if it came to know.
func (r *record) operation(kind string, do func() (backend string, err error)) {
	began := time.Now()
	backend, err := do()
	ended := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.countLocked(kind, ended.Sub(began))
	if err != nil {
		r.failures = append(r.failures, failure{kind, backend, began, ended, err})
	}
}

// part does one of many things that an operation consists of, and counts it. Its
// failure is the whole operation's: what broke it may have happened before.
func (r *record) part(kind string, do func() error) error {
	began := time.Now()
	err := do()
	took := time.Since(began)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.countLocked(kind, took)
	return err
}

func (r *record) countLocked(kind string, took time.Duration) {
	r.done[kind]++
	r.slowest[kind] = max(r.slowest[kind], took)
}

// explained reports whether a fault explains the failure.
func (r *record) explained(x failure) bool {
	return slices.ContainsFunc(r.faults, func(f fault) bool { return f.explains(x) })
}

// report prints what was done, and fails the test for each failure that no fault
// explains.
func (r *record) report(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	explained, unexplained, told := map[string]int{}, map[string]int{}, 0
	for _, x := range r.failures {
		if r.explained(x) {
			explained[x.kind]++
			continue
		}
		unexplained[x.kind]++
		t.Fail()
		if told++; told <= 20 {
			t.Logf("%s, on backend %q, after %s, %s into the soak: %v", x.kind, x.backend,
				x.ended.Sub(x.began).Round(time.Millisecond), x.ended.Sub(r.began).Round(time.Millisecond), x.err)
		}
	}
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "operations\ta second\tfailed by a fault\tfailed otherwise\tslowest\t")
	seconds := time.Since(r.began).Seconds()
	for _, kind := range slices.Sorted(maps.Keys(r.done)) {
		n := r.done[kind]
		fmt.Fprintf(tw, "%d\t%.1f\t%d\t%d\t%s\t %s\n", n, float64(n)/seconds, explained[kind], unexplained[kind],
			r.slowest[kind].Round(time.Millisecond), kind)
	}
	_ = tw.Flush() // a buffer takes everything
	t.Logf("%.0f s, %d backends ended\n%s", seconds, len(r.faults), b.String())
}

// TestFaultExplains pins which failures are put down to a fault.
func TestFaultExplains(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	f := fault{"2", at(10), at(12)}
	for _, tt := range []struct {
		name         string
		backend      string
		began, ended time.Time
		want         bool
	}{
		{"on the backend that ended", "2", at(1), at(11), true},
		{"on one that is not known", "", at(11), at(11), true},
		{"on another", "1", at(1), at(11), false},
		{"before", "2", at(1), at(9), false},
		{"begun afterwards", "", at(13), at(14), false},
	} {
		if got := f.explains(failure{backend: tt.backend, began: tt.began, ended: tt.ended}); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}
