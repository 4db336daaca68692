package l4

import (
	"log/slog"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// Pins that a fiber that holds up its event loop is counted, and logged with its stack;
// that was missing for the first function of a fiber.
func TestStallIsLogged(t *testing.T) {
	var log lockedBuffer
	loops, err := NewLoops(slog.New(slog.NewTextHandler(&log, nil)), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = loops.Close() }()
	releasec := make(chan struct{})
	defer close(releasec)
	loops.Loops()[0].Go(func() { holdUp(releasec) })
	testkit.Eventually(t, "the stall is logged", func() bool {
		return strings.Contains(log.String(), "event loop held up") && strings.Contains(log.String(), "l4.holdUp") && loops.Stalls() > 0
	})
}

//go:noinline
func holdUp(releasec <-chan struct{}) { <-releasec }
