package health

import (
	"sync"
	"time"
)

// throttlePause is the least time between two lines of the same kind.
const throttlePause = time.Second

// Throttle limits lines that clients can cause to one of a kind each second. It is safe
// for concurrent use. The zero value is ready.
type Throttle struct {
	mu    sync.Mutex
	lines map[string]throttled
}

type throttled struct {
	again time.Time // when the next may pass
	held  int       // how many did not pass since the last
}

// Pass reports whether a line of this kind may be logged now, and how many did not pass
// since the last. There must be few kinds: each is remembered.
func (t *Throttle) Pass(line string) (held int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		t.lines = map[string]throttled{}
	}
	now, l := time.Now(), t.lines[line]
	if now.Before(l.again) {
		l.held++
		t.lines[line] = l
		return 0, false
	}
	t.lines[line] = throttled{again: now.Add(throttlePause)}
	return l.held, true
}
