package health

import (
	"sync"
	"time"
)

// throttlePause is how long the same is not said again.
const throttlePause = time.Second

// Throttle keeps a log from saying the same over and over, where clients can make
// it: once a second at most. It is safe for concurrent use. The zero value is ready.
type Throttle struct {
	mu    sync.Mutex
	lines map[string]throttled
}

type throttled struct {
	again time.Time // when it may be said again
	held  int       // how often it was not
}

// Pass reports whether the line may be said now, and how often it was held back
// since it was said last. Lines must be of few kinds: each is remembered.
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
