package l7

import (
	"testing"

	"fourseven/health"
)

// TestReapKeepsPause pins that a backend's pause holds for its time, also if a reap finds
// no connection of the backend.
func TestReapKeepsPause(t *testing.T) {
	const until = 100
	var u upstreams
	u.init(&Server{}, 1)
	b := health.NewBackend("127.0.0.1:1")
	pool := u.of(b)
	pool.pause = pause{until: until, set: true}
	if u.reap(until - 1); u.of(b) != pool || pool.closed {
		t.Error("the pause is forgotten before its time has passed")
	}
	if u.reap(until); u.of(b) == pool {
		t.Error("the pool is kept after the pause")
	}
}
