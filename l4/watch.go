package l4

import (
	"net"
	"time"
)

// watch is what the sweeper knows of a relay. It belongs to Relays.mu.
type watch struct {
	expires time.Time // zero: never
	since   time.Time // when seen or half last changed
	asked   time.Time // when patient last looked
	seen    int64
	// received and sent are what the backend's counters have been told.
	received, sent int64
	queued         int  // what the kernel had to deliver when it was last asked
	sampled        bool // it was, in this silence
	half           bool
	tuned          bool
}

// note reports whether the relay has moved since the last time, or one side has
// ended its stream: its silence begins anew.
func (w *watch) note(r *relay, now time.Time) bool {
	seen, half := r.received()+r.sent(), r.halfClosed()
	if seen == w.seen && half == w.half {
		return false
	}
	w.seen, w.half, w.since, w.sampled = seen, half, now, false
	return true
}

// count tells the backend's counters what has moved since the last time.
func (r *relay) count() {
	if r.of == nil {
		return
	}
	w, t := &r.watch, r.of.Traffic()
	received, sent := r.received(), r.sent()
	if received != w.received {
		t.Received.Add(received - w.received)
	}
	if sent != w.sent {
		t.Sent.Add(sent - w.sent)
	}
	w.received, w.sent = received, sent
}

// queued returns how many bytes the kernel has to deliver, either way.
func (r *relay) queued() int { return r.up.unacked() + r.down.unacked() }

// tune sets the options of the backend's socket, once the relay has lived long
// enough to be seen by the sweeper: keepalive and user timeout are for
// connections that last. The client's has them from the listener.
func (r *relay) tune() {
	if _, ok := r.backend.stream.(*net.TCPConn); ok {
		_ = TuneSocket("tcp", "", r.backend.raw)
	}
}

// patientFor is how long a peer may leave probes of its closed window unanswered:
// the kernel sends them two minutes apart at most.
const patientFor = 5 * time.Minute

// patient tells peers that are slow from peers that are gone. The kernel ends a
// connection whose peer keeps its window closed for the user timeout, although
// it answers every probe (RFC 1122, section 4.2.2.17, wants it kept). A client
// that has stopped reading for a while is honest, so its socket gets no user
// timeout as long as it answers; the idle timeout is what bounds it.
func (r *relay) patient(userTimeout time.Duration) {
	for _, s := range []*side{&r.client, &r.backend} {
		_ = s.raw.Control(func(fd uintptr) {
			heard, waits := closedWindow(fd)
			switch {
			case waits && !s.patient && heard < userTimeout/2:
				s.patient = setUserTimeout(fd, 0)
			case s.patient && heard > patientFor:
				s.patient = !setUserTimeout(fd, userTimeout)
			}
		})
	}
}

// impatient takes back what patient did, once bytes move again.
func (r *relay) impatient(userTimeout time.Duration) {
	for _, s := range []*side{&r.client, &r.backend} {
		if s.patient {
			_ = s.raw.Control(func(fd uintptr) { s.patient = !setUserTimeout(fd, userTimeout) })
		}
	}
}
