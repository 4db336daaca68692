//go:build linux

package logging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fourseven/internal/testkit"
)

// stallable is a writer that stalls while its gate is held, and that fails while
// err is set, after it has taken part of the bytes.
type stallable struct {
	gate    sync.Mutex   // held by the test while nothing may be written
	entered atomic.Int64 // calls of Write that began

	mu     sync.Mutex
	err    error
	buf    bytes.Buffer
	writes []time.Time
}

func (w *stallable) Write(p []byte) (int, error) {
	w.entered.Add(1)
	w.gate.Lock()
	defer w.gate.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, time.Now())
	if w.err != nil {
		n := len(p) / 2
		w.buf.Write(p[:n])
		return n, w.err
	}
	return w.buf.Write(p)
}

func (w *stallable) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func (w *stallable) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *stallable) attempts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.writes)
}

// TestSinkDropsAndCounts stalls the writer until the queue is full. What was
// taken comes out in order, then how many lines are missing, then what came later.
func TestSinkDropsAndCounts(t *testing.T) {
	for _, tt := range []struct{ format, gap string }{
		{"text", "level=WARN msg=\"log lines dropped\" lines=%d\n"},
		{"json", "\"level\":\"WARN\",\"msg\":\"log lines dropped\",\"lines\":%d}\n"},
	} {
		t.Run(tt.format, func(t *testing.T) {
			const lines = 40000 // of 32 bytes: more than twice what may wait
			w := &stallable{}
			s := NewSink(w, tt.format)
			w.gate.Lock()
			for i := range lines {
				mustWrite(t, s, fmt.Sprintf("line %026d\n", i))
				if i == 0 { // the queue is taken now, and not again until the gate opens
					testkit.Eventually(t, "the writer stalls", func() bool { return w.entered.Load() == 1 })
				}
			}
			dropped := s.Dropped()
			if dropped < lines-2*logQueue/32 || dropped > lines-logQueue/32 {
				t.Errorf("%d of %d lines dropped, want what is over the queue", dropped, lines)
			}
			w.gate.Unlock()
			testkit.Eventually(t, "the gap is logged", func() bool { return strings.Contains(w.String(), "dropped") })
			mustWrite(t, s, "later\n")
			s.Close()
			var want strings.Builder
			for i := range lines - int(dropped) {
				fmt.Fprintf(&want, "line %026d\n", i)
			}
			got, ok := strings.CutPrefix(w.String(), want.String())
			if !ok {
				t.Fatal("the lines before the gap are not those that were written first")
			}
			if end := fmt.Sprintf(tt.gap, dropped) + "later\n"; !strings.HasSuffix(got, end) || strings.Count(got, "\n") != 2 {
				t.Errorf("after the lines: %q, want %q at the end", got, end)
			}
		})
	}
}

func mustWrite(t *testing.T, s *Sink, line string) {
	t.Helper()
	if n, err := s.Write([]byte(line)); n != len(line) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
}

// Pins that a line which could never be queued does not stop those after it.
func TestSinkLineLongerThanQueue(t *testing.T) {
	w := &stallable{}
	s := NewSink(w, "text")
	mustWrite(t, s, strings.Repeat("x", logQueue)+"\n")
	testkit.Eventually(t, "the gap is logged", func() bool { return strings.Contains(w.String(), "lines=1\n") })
	mustWrite(t, s, "later\n")
	s.Close()
	if got := w.String(); !strings.HasSuffix(got, "lines=1\nlater\n") || s.Dropped() != 1 {
		t.Errorf("got %q, %d dropped", got, s.Dropped())
	}
}

// TestSinkPace pins that a lone line leaves at once, and that the lines of a busy
// time leave together, after a gap.
func TestSinkPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stallable{}
		s := NewSink(w, "text")
		defer s.Close()
		began := time.Now()
		mustWrite(t, s, "lone\n")
		synctest.Wait()
		if got := w.String(); got != "lone\n" {
			t.Errorf("at once: got %q", got)
		}
		mustWrite(t, s, "one\n")
		mustWrite(t, s, "two\n")
		synctest.Wait()
		time.Sleep(2 * BatchPause) // in the bubble
		if n := w.attempts(); n != 2 {
			t.Fatalf("%d writes, want 2", n)
		}
		if after := w.writes[1].Sub(began); after != BatchPause {
			t.Errorf("the second batch came after %s, want %s", after, BatchPause)
		}
		mustWrite(t, s, "busy\n")
		synctest.Wait()
		mustWrite(t, s, strings.Repeat("x", logQueue/2)+"\n")
		synctest.Wait()
		if got := w.String(); len(got) < logQueue/2 {
			t.Errorf("half a queue of lines waits for the gap to end: %d bytes were written", len(got))
		}
	})
}

// TestSinkFailingWriter pins that a writer which fails is tried again once a
// second, and that no line is broken or lost when it recovers.
func TestSinkFailingWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stallable{}
		w.fail(errors.New("no space left"))
		s := NewSink(w, "text")
		mustWrite(t, s, "the first line\n")
		mustWrite(t, s, "the second line\n")
		time.Sleep(2500 * time.Millisecond) // in the bubble
		if n := w.attempts(); n != 3 {
			t.Errorf("%d writes in 2.5 s, want 3", n)
		}
		w.fail(nil)
		time.Sleep(time.Second)
		if got := w.String(); got != "the first line\nthe second line\n" {
			t.Errorf("got %q", got)
		}
		w.fail(errors.New("gone"))
		mustWrite(t, s, "the last line\n")
		began := time.Now()
		s.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("closed after %s, want no wait for a writer that fails", took)
		}
	})
}

func TestSinkCloseFlushes(t *testing.T) {
	w := &stallable{}
	s := NewSink(w, "text")
	var want strings.Builder
	for i := range 10000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		mustWrite(t, s, line)
	}
	s.Close()
	if w.String() != want.String() {
		t.Errorf("%d bytes were written of %d", len(w.String()), want.Len())
	}
	mustWrite(t, s, "too late\n")
	if w.String() != want.String() || s.Dropped() != 1 {
		t.Errorf("a line after the end: %d dropped", s.Dropped())
	}
}

// Pins that a stalled writer does not keep the process from ending.
func TestSinkCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		s := NewSink(w, "text")
		mustWrite(t, s, "nobody reads this\n")
		synctest.Wait()
		began := time.Now()
		s.Close()
		if took := time.Since(began); took != logFlush {
			t.Errorf("closed after %s, want %s", took, logFlush)
		}
		_ = r.Close()
	})
}

// TestSinkConcurrent has many write at once: every line comes out whole, each
// writer's in its order.
func TestSinkConcurrent(t *testing.T) {
	const writers, lines = 8, 500
	w := &stallable{}
	s := NewSink(w, "text")
	var wg sync.WaitGroup
	for id := range writers {
		wg.Go(func() {
			for i := range lines {
				_, _ = fmt.Fprintf(s, "%d %d\n", id, i)
			}
		})
	}
	wg.Wait()
	s.Close()
	var next [writers]int
	for line := range strings.Lines(w.String()) {
		var id, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &id, &i); err != nil || i != next[id] {
			t.Fatalf("%q: %v, want line %d of writer %d", line, err, next[id], id)
		}
		next[id]++
	}
	for id, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d lines of %d", id, n, lines)
		}
	}
}

func TestChunk(t *testing.T) {
	line := func(n int) string { return strings.Repeat("x", n-1) + "\n" }
	for _, tt := range []struct {
		name, lines string
		want        int
	}{
		{"one line", line(10), 10},
		{"as many as fit", line(10) + line(20), 30},
		{"just as much", line(logChunk), logChunk},
		{"no more than fit", line(1000) + line(3000) + line(1000), 4000},
		{"a long line", line(2*logChunk) + line(10), 2 * logChunk},
		{"a long line last", line(10) + line(2*logChunk), 10},
		{"the rest of a long line", strings.Repeat("x", 2*logChunk), 2 * logChunk},
	} {
		if got := chunk([]byte(tt.lines)); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// BenchmarkSink measures what a line costs who logs it.
func BenchmarkSink(b *testing.B) {
	s := NewSink(io.Discard, "text")
	defer s.Close()
	line := []byte(strings.Repeat("x", 199) + "\n")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Write(line)
	}
	b.ReportMetric(float64(s.Dropped())/float64(b.N), "dropped/op")
}
