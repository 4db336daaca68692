//go:build linux

package e2e

import (
	"sync"
	"time"
)

// load does things in the background until it is stopped.
type load struct {
	wg    sync.WaitGroup
	stopc chan struct{}
}

func newLoad() *load { return &load{stopc: make(chan struct{})} }

// atOnce bounds what is under way of each kind, for the sake of a machine that does
// not keep up.
const atOnce = 100

// each does something so many times a second, each time in a goroutine of its own.
func (l *load) each(perSecond int, do func()) {
	l.wg.Go(func() {
		began, apart := time.Now(), time.Second/time.Duration(perSecond)
		slots := make(chan struct{}, atOnce)
		for n := 1; l.pause(time.Until(began.Add(time.Duration(n) * apart))); n++ {
			slots <- struct{}{}
			l.wg.Go(func() { do(); <-slots })
		}
	})
}

// pause reports whether the time passed before the load was stopped.
func (l *load) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.stopc:
		return false
	case <-timer.C:
		return true
	}
}

func (l *load) stop() {
	close(l.stopc)
	l.wg.Wait()
}
