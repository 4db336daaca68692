package logging

import (
	"bytes"
	"io"
	"log/slog"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	// logQueue is how many bytes of lines wait for the sink; as many again may be
	// on their way.
	logQueue = 512 << 10
	// logChunk is the most that is written at once, unless one line is longer. A pipe
	// takes so much whole or not at all (PIPE_BUF, pipe(7)): its reader never sees half a
	// line, whenever the process ends.
	logChunk = 4096
	// BatchPause is the time between two batches of lines. A line that comes after silence
	// does not wait for it. A wake-up for each line would be most of what a line costs: 9 us
	// of processor time a request, where 3 us do.
	BatchPause = 5 * time.Millisecond
	// logRetry is the time after which a write that failed is tried again.
	logRetry = time.Second
	// logFlush bounds the time for writing the queued lines at the end.
	logFlush = time.Second
)

// Sink takes the lines that the process logs and writes them from one goroutine, so
// that logging never waits for the log's reader. When a writer stalls, or fails, until the queue
// is full, further lines are dropped and counted; once it goes on, a line in their
// place says how many there were. It is safe for concurrent use.
type Sink struct {
	w      io.Writer
	gap    bytes.Buffer // takes the line of gapLog; only run uses the two
	gapLog *slog.Logger

	linesc chan struct{} // there is something to take
	fullc  chan struct{} // the queue is half full
	closec chan struct{} // closed by close
	donec  chan struct{} // closed when run has returned

	mu      sync.Mutex
	queue   []byte // whole lines
	lost    uint64 // lines dropped since the queue was last taken
	dropped uint64 // lines dropped at all
	closed  bool
}

// NewSink returns a sink that writes to w, and reports in the format of the log what it
// dropped. A reader that is gone is from now on an error for this process like any other:
// by default one of descriptors 1 and 2 ends a Go program (os/signal).
func NewSink(w io.Writer, format string) *Sink {
	signal.Ignore(syscall.SIGPIPE)
	s := &Sink{
		w: w, queue: make([]byte, 0, logQueue),
		linesc: make(chan struct{}, 1), fullc: make(chan struct{}, 1),
		closec: make(chan struct{}), donec: make(chan struct{}),
	}
	s.gapLog = slog.New(NewHandler(&s.gap, format, slog.LevelInfo))
	go s.run()
	return s
}

// NewHandler returns a handler that writes each line to w by itself, in a format: text or
// json. In JSON, a duration is a number of seconds, as in metrics.
func NewHandler(w io.Writer, format string, level slog.Level) slog.Handler {
	if format == "json" {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: inSeconds})
	}
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
}

func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	}
	return a
}

// Write queues one line, or several, whole. It never blocks and never fails.
func (s *Sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Once a line is lost all are until the queue is taken, so that the gap is in
	// one place.
	if s.closed || s.lost > 0 || len(s.queue)+len(line) > logQueue {
		s.lost++
		s.dropped++
		notify(s.linesc)
		return len(line), nil
	}
	before := len(s.queue)
	s.queue = append(s.queue, line...)
	if before == 0 {
		notify(s.linesc)
	}
	if before < logQueue/2 && len(s.queue) >= logQueue/2 {
		notify(s.fullc)
	}
	return len(line), nil
}

// notify makes a channel with room for one ready to receive from.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Dropped returns how many lines were dropped.
func (s *Sink) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Close writes the queued lines, for no longer than logFlush. Lines that come later are
// dropped.
func (s *Sink) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.closec)
	timer := time.NewTimer(logFlush)
	defer timer.Stop()
	select {
	case <-s.donec:
	case <-timer.C: // run is stuck in a write, and ends with the process
	}
}

// run writes batches until the sink is closed, and then what is left.
func (s *Sink) run() {
	defer close(s.donec)
	spare := make([]byte, 0, logQueue)
	for open := true; open; {
		select {
		case <-s.linesc:
		case <-s.closec:
		}
		spare = s.take(spare)
		if !s.write(spare) {
			return
		}
		open = s.pause(BatchPause, s.fullc)
	}
	_ = s.write(s.take(spare))
}

// take returns the queued lines, and leaves the queue empty in the spare's memory.
func (s *Sink) take(spare []byte) []byte {
	s.mu.Lock()
	lines, lost := s.queue, s.lost
	s.queue, s.lost = spare[:0], 0
	s.mu.Unlock()
	if lost == 0 {
		return lines
	}
	s.gap.Reset()
	s.gapLog.Warn("log lines dropped", "lines", lost)
	return append(lines, s.gap.Bytes()...)
}

// write writes lines, again after a while what failed. It gives that up, and
// reports false, when the sink is closed.
func (s *Sink) write(lines []byte) bool {
	for len(lines) > 0 {
		n, err := s.w.Write(lines[:chunk(lines)])
		lines = lines[n:]
		if err != nil && !s.pause(logRetry, nil) {
			return false
		}
	}
	return true
}

// chunk returns how many bytes of whole lines to write at once.
func chunk(lines []byte) int {
	if len(lines) <= logChunk {
		return len(lines)
	}
	if n := bytes.LastIndexByte(lines[:logChunk], '\n') + 1; n > 0 {
		return n
	}
	if n := bytes.IndexByte(lines, '\n') + 1; n > 0 {
		return n
	}
	return len(lines)
}

// pause waits for a time, or until cut short. It reports false if the sink was
// closed.
func (s *Sink) pause(d time.Duration, short <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-short:
	case <-s.closec:
		return false
	}
	return true
}
