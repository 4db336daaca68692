package config

import (
	"strings"
	"testing"
)

func TestProbeKind(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"auto with L7", nil, "auto"},
		{"auto with a path, be it the default", []string{"LB_HEALTH_PATH=/health"}, "http"},
		{"auto with statuses", []string{"LB_HEALTH_STATUS=204"}, "http"},
		{"auto with a method", []string{"LB_HEALTH_METHOD=HEAD"}, "http"},
		{"auto with a host", []string{"LB_HEALTH_HOST=a"}, "http"},
		{"auto with headers", []string{"LB_HEALTH_HEADERS=A: 1"}, "http"},
		{"auto with a standby's status", []string{"LB_HEALTH_STANDBY_STATUS=503"}, "http"},
		{"auto with a pattern", []string{"LB_HEALTH_MATCH=x"}, "http"},
		{"auto with a pattern and without L7", []string{"LB_HEALTH_MATCH=x", "LB_L7_LISTEN=off"}, "tcp"},
		{"auto with a pattern and something to send", []string{"LB_HEALTH_MATCH=x", "LB_HEALTH_SEND=x"}, "tcp"},
		{"auto without L7", []string{"LB_L7_LISTEN=off"}, "tcp"},
		{"auto without L7, with a path", []string{"LB_L7_LISTEN=off", "LB_HEALTH_PATH=/h"}, "tcp"},
		{"http", []string{"LB_HEALTH_CHECK=http"}, "http"},
		{"http without L7", []string{"LB_L7_LISTEN=off", "LB_HEALTH_CHECK=http"}, "http"},
		{"tcp with L7", []string{"LB_HEALTH_CHECK=tcp"}, "tcp"},
		{"off", []string{"LB_HEALTH_CHECK=off"}, "off"},
		{"auto with an answer to expect", []string{"LB_HEALTH_EXPECT=220 "}, "tcp"},
		{"auto with an answer to expect and a path", []string{"LB_HEALTH_EXPECT=220 ", "LB_HEALTH_PATH=/h"}, "tcp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mustLoad(t, append(tt.environ, "LB_BACKENDS=a:1")...)
			if got := c.Services[0].ProbeKind(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestProbeProxy(t *testing.T) {
	for _, tt := range []struct{ settings, want string }{
		{"", "off"},
		{"LB_PROXY_PROTOCOL_SEND=v2", "v2"},
		{"LB_PROXY_PROTOCOL_SEND=v1 LB_L7_LISTEN=off", "v1"},
		{"LB_PROXY_PROTOCOL_SEND=v2 LB_L4_LISTEN=off", "off"}, // L7's traffic has no header
		{"LB_PROXY_PROTOCOL_SEND=v2 LB_HEALTH_PORT=8008", "off"},
		{"LB_PROXY_PROTOCOL_SEND=v2 LB_HEALTH_PORT=8008 LB_HEALTH_PROXY=v1", "v1"},
		{"LB_PROXY_PROTOCOL_SEND=v2 LB_HEALTH_PROXY=off", "off"},
		{"LB_HEALTH_PROXY=v2", "v2"},
	} {
		c := mustLoad(t, append(strings.Fields(tt.settings), "LB_BACKENDS=a:1")...)
		if got := c.Services[0].ProbeProxy(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.settings, got, tt.want)
		}
		if !strings.Contains(strings.Join(strings.Fields(effective(t, &c)), " "), "LB_HEALTH_PROXY "+tt.want+" ") {
			t.Errorf("%s: check does not print %s", tt.settings, tt.want)
		}
	}
}

// Pins that a timeout above its interval is named, with what happens: it had been
// silent.
func TestTimeoutAboveInterval(t *testing.T) {
	for _, tt := range []struct{ settings, want string }{
		{"", ""},
		{"LB_HEALTH_TIMEOUT=10s", ""},
		{"LB_HEALTH_TIMEOUT=5s LB_HEALTH_INTERVAL=2s LB_HEALTH_CHECK=off", ""},
		{"LB_BALANCE=single", ""},
		{"LB_BALANCE=single LB_HEALTH_CHECK=off", "LB_BALANCE: single: without probes no backend is ever down"},
		{"LB_HEALTH_TIMEOUT=5s LB_HEALTH_INTERVAL=2s", "LB_HEALTH_TIMEOUT: 5s is above LB_HEALTH_INTERVAL=2s: "},
		{"LB_HEALTH_TIMEOUT=5s LB_HEALTH_INTERVAL=2s", "up for as long as 13s\n"}, // 2s, 5s, 1s, 5s
		{"LB_HEALTH_TIMEOUT=5s LB_HEALTH_INTERVAL=500ms LB_HEALTH_FALL=3", "up for as long as 16.5s\n"},
	} {
		c := mustLoad(t, append(strings.Fields(tt.settings), "LB_BACKENDS=a:1")...)
		got := effective(t, &c)
		if tt.want == "" && len(c.Warnings()) > 0 || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %v, want %q in:\n%s", tt.settings, c.Warnings(), tt.want, got)
		}
	}
}

// Pins that a value for all services is warned about once, also if it is at odds with a
// default: with a hundred services there were a hundred lines.
func TestWarningsOfServicesOnce(t *testing.T) {
	for _, tt := range []struct{ setting, want string }{
		{"LB_HEALTH_INTERVAL=1s", "LB_HEALTH_TIMEOUT 2s is above LB_HEALTH_INTERVAL=1s: "},
		{"LB_HEALTH_TIMEOUT=11s", "LB_HEALTH_TIMEOUT 11s is above LB_HEALTH_INTERVAL=10s: "},
		{"LB_RO_HEALTH_INTERVAL=1s", "LB_RO_HEALTH_TIMEOUT 2s is above LB_RO_HEALTH_INTERVAL=1s: "},
	} {
		c := mustLoad(t, "LB_SERVICES=rw,ro", "LB_BACKENDS=a:1", "LB_RW_L4_LISTEN=:1", "LB_RO_L4_LISTEN=:2", tt.setting)
		all := c.Warnings()
		if len(all) != 1 || !strings.HasPrefix(all[0].Name+" "+all[0].Text, tt.want) {
			t.Errorf("%s: %v, want only %q", tt.setting, all, tt.want)
		}
	}
}
