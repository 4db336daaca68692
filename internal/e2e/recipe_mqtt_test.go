//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestMQTT runs the recipe for MQTT, in front of a broker and of something else that
// listens at the port.
func TestMQTT(t *testing.T) {
	mosquitto := testkit.Need(t, "mosquitto", "mosquitto")
	testkit.Need(t, "mosquitto_pub", "mosquitto-clients")
	t.Parallel()
	other, broker := testkit.Host()+":1883", testkit.Host()
	greet(t, other, "hello\r\n")
	file := filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, "listener 1883 %s\nallow_anonymous true\nlog_dest stderr\n", broker), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, exec.Command(mosquitto, "-c", file))
	awaitListener(t, p, broker+":1883")
	lb := runRecipe(t, recipe(t, "mqtt", "mqtt1:1883", other, "mqtt2:", broker+":"))
	lb.awaitHealthy(margin, broker+":1883")
	lb.awaitOutput(1, `expected \" \\x02\\x00\\x00\", got \"hell\"`)

	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	host, port, _ := net.SplitHostPort(lb.l4)
	client := func(program string, args ...string) string {
		return output(t, exec.CommandContext(ctx, program, append([]string{"-h", host, "-p", port, "-t", "greeting"}, args...)...))
	}
	client("mosquitto_pub", "-m", "hello", "-r", "-q", "1")
	if got := client("mosquitto_sub", "-C", "1"); got != "hello" {
		t.Errorf("received %q", got)
	}
	if text := p.output(); strings.Contains(text, "protocol error") {
		t.Errorf("the broker takes probes for an error:\n%s", text)
	}
}
