package l4

// traffic is what a relay has reported to its backend's counters. It belongs to
// Relays.mu.
type traffic struct{ received, sent int64 }

// report adds to the backend's counters what has moved since the last call.
func (r *relay) report() {
	if r.of == nil {
		return
	}
	received, sent := r.received(), r.sent()
	total, reported := r.of.Traffic(), &r.reported
	if received != reported.received {
		total.Received.Add(received - reported.received)
	}
	if sent != reported.sent {
		total.Sent.Add(sent - reported.sent)
	}
	reported.received, reported.sent = received, sent
}
