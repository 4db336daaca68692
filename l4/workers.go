package l4

import (
	"sync"
	"sync/atomic"
	"time"
)

// spareWorkers is how many goroutines wait for the next connection, and spareTime
// how long each does. Dialling needs a large stack; a goroutine that has one
// already saves growing it, which was 6 % of the processor time of a short
// connection.
const (
	spareWorkers = 16
	spareTime    = time.Second
)

// workers are the goroutines that connect clients. One is started when none waits.
type workers struct {
	connect func(stream)
	clients chan stream // to a worker that waits
	waiting atomic.Int64
	running sync.WaitGroup
	closing sync.Once
}

func (w *workers) setUp(connect func(stream)) {
	w.connect, w.clients = connect, make(chan stream)
}

// serve gives the client to a worker.
func (w *workers) serve(client stream) {
	select {
	case w.clients <- client:
	default:
		w.running.Go(func() { w.run(client) })
	}
}

// run connects clients until none has come for a while, or enough other workers
// wait for the next.
func (w *workers) run(client stream) {
	spare := time.NewTimer(spareTime)
	defer spare.Stop()
	for ok := true; ok; {
		w.connect(client)
		if w.waiting.Add(1) > spareWorkers {
			w.waiting.Add(-1)
			return
		}
		spare.Reset(spareTime)
		select {
		case client, ok = <-w.clients:
		case <-spare.C:
			ok = false
		}
		w.waiting.Add(-1)
	}
}

// close ends the workers that wait, and returns once all have ended. No client may
// come any more.
func (w *workers) close() {
	w.closing.Do(func() { close(w.clients) })
	w.running.Wait()
}
