package l4

import "time"

// tuning is how far the sockets of a relay have been set.
type tuning struct {
	tuned   bool    // tune was called
	patient [2]bool // the user timeouts of client and backend are lifted
	lifted  moment  // when liftUserTimeout last looked
}

// tune sets the options of the backend's socket, once the relay has been open long
// enough to be seen by the sweep: keepalive and user timeout are for connections
// that last. The client's socket has them from the listener.
func (r *relay) tune() {
	if r.tuning.tuned {
		return
	}
	r.tuning.tuned = true
	if raw, err := r.backend.bare().SyscallConn(); err == nil && r.backend.RemoteAddrPort().IsValid() {
		_ = TuneSocket("tcp", "", raw)
	}
}

// patientFor is how long a peer may leave probes of its closed window unanswered:
// the kernel sends them two minutes apart at most.
const patientFor = 5 * time.Minute

// liftUserTimeout distinguishes peers that read slowly from peers that are gone. The
// kernel ends a connection whose peer keeps its window closed for the user timeout, even
// if the peer answers every probe (RFC 1122, section 4.2.2.17, wants it kept). A client
// that has stopped reading for a while is not gone, so its socket gets no user timeout as
// long as it answers; the idle timeout bounds it.
func (r *relay) liftUserTimeout(timeout time.Duration, now moment) {
	if r.activity.idle(now) <= timeout/4 || now-r.tuning.lifted <= timeout/4 {
		return
	}
	r.tuning.lifted = now
	for i, s := range []*side{&r.client, &r.backend} {
		patient := &r.tuning.patient[i]
		control(s.bare(), func(fd uintptr) {
			heard, waits := closedWindow(fd)
			switch {
			case waits && !*patient && heard < timeout/2:
				*patient = setUserTimeout(fd, 0)
			case *patient && heard > patientFor:
				*patient = !setUserTimeout(fd, timeout)
			}
		})
	}
}

// restoreUserTimeout undoes liftUserTimeout, once bytes move again.
func (r *relay) restoreUserTimeout(timeout time.Duration) {
	for i, s := range []*side{&r.client, &r.backend} {
		if patient := &r.tuning.patient[i]; *patient {
			control(s.bare(), func(fd uintptr) { *patient = !setUserTimeout(fd, timeout) })
		}
	}
}
