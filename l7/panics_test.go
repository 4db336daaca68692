package l7

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Pins that a client which has found a panic cannot flood the log, and that none
// goes uncounted.
func TestPanicsAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		s := &Server{Logger: slog.New(slog.NewTextHandler(&buf, nil))}
		for range 100 {
			s.logPanic("boom")
		}
		if got := buf.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "panic=boom held_back=0 stack=") {
			t.Errorf("at first: %q", got)
		}
		buf.Reset()
		time.Sleep(time.Second) // in the bubble
		s.logPanic("boom")
		if got := buf.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "panic=boom held_back=99 stack=") {
			t.Errorf("later: %q", got)
		}
	})
}
