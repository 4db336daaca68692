//go:build linux

package e2e

import (
	"syscall"
	"testing"
)

// TestDemo runs the README's first command, but on free ports.
func TestDemo(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			demo := listening(t, fourseven(quick(), "demo"))
			demo.awaitSaid(1, "Ctrl-C ends it.", patience)
			wantTexts(t, "standard output", demo.stdout.String(), []string{
				"L7 (HTTP)  http://" + demo.l7, "L4 (TCP)   " + demo.l4, "http://" + demo.admin + "/ ",
				"curl -s http://" + demo.l7 + "/", "curl -s http://" + demo.l4 + "/"})
			if got := whose(t, repeat(4, demo.l7)...); got != "1212" {
				t.Errorf("L7 answers from %s, want 1212", got)
			}
			if got := whose(t, repeat(4, demo.l4)...); got != "1212" {
				t.Errorf("L4 answers from %s, want 1212", got)
			}
			if got := mustAsk(t, demo.admin, "/readyz"); got != "ready\n" {
				t.Errorf("/readyz says %q", got)
			}
			demo.signal(sig)
			demo.wantExit(exitOK)
		})
	}
}
