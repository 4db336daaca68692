package l4

// traffic is what a relay has reported of the bytes it has moved.
type traffic struct{ received, sent int64 }

// report adds to the counters of the relay's loop and backend what has moved since the
// last call.
func (r *relay) report() {
	now := traffic{r.received(), r.sent()}
	received, sent := now.received-r.reported.received, now.sent-r.reported.sent
	if received == 0 && sent == 0 {
		return
	}
	r.reported = now
	r.set.received += received
	r.set.sent += sent
	if r.of != nil {
		r.of.Traffic().Received.Add(received)
		r.of.Traffic().Sent.Add(sent)
	}
}
