package config

import (
	"strings"
	"testing"
)

// Pins that a setting which has no effect beside the others is named, and no other.
func TestUnusedSettings(t *testing.T) {
	for _, tt := range []struct{ settings, want string }{
		{"", ""},
		{"LB_HEALTH_PATH=/h LB_HEALTH_STATUS=204 LB_L7_IDLE_TIMEOUT=1s LB_SLOW_START=1s LB_PROXY_PROTOCOL_SEND=v1", ""},
		{"LB_HEALTH_CHECK=tcp LB_HEALTH_PATH=/h LB_HEALTH_PORT=1", "LB_HEALTH_PATH"},
		{"LB_HEALTH_CHECK=tcp LB_HEALTH_METHOD=HEAD LB_HEALTH_HOST=a LB_HEALTH_STANDBY_STATUS=503 LB_HEALTH_MATCH=x",
			"LB_HEALTH_METHOD LB_HEALTH_HOST LB_HEALTH_STANDBY_STATUS"},
		{"LB_BACKENDS=10.0.0.1:1;check=agent:1 LB_DNS_INTERVAL=1s", ""},
		{"LB_HEALTH_CHECK=off LB_SLOW_START=1s LB_HEALTH_RISE=2 LB_HEALTH_ON_DOWN=close", "LB_HEALTH_RISE LB_SLOW_START"},
		{"LB_L7_LISTEN=off LB_L7_MAX_BODY=1KiB LB_HEALTH_STATUS=204", "LB_HEALTH_STATUS LB_L7_MAX_BODY"},
		{"LB_L4_LISTEN=off LB_PROXY_PROTOCOL_SEND=v2 LB_L4_IDLE_TIMEOUT=1s", "LB_PROXY_PROTOCOL_SEND"}, // tunnels have the idle time
		{"LB_ADMIN_LISTEN=off LB_ADMIN_TOKEN=x", "LB_ADMIN_TOKEN"},
		{"LB_BACKENDS=10.0.0.1:1,[fd00::1]:1,unix:/a LB_DNS_INTERVAL=1s", "LB_DNS_INTERVAL"},
		{"LB_BACKENDS=10.0.0.1:1,a:1 LB_DNS_INTERVAL=1s LB_DNS_SERVER=10.0.0.53", ""},
		{"LB_BACKENDS=dns://a:1 LB_DNS_INTERVAL=1s", ""},
		{"LB_BACKENDS_FILE=" + write(t, "a:1") + " LB_DNS_INTERVAL=1s", ""},
	} {
		environ := strings.Fields(tt.settings)
		if !strings.Contains(tt.settings, "LB_BACKENDS") {
			environ = append(environ, "LB_BACKENDS=a:1")
		}
		cfg, err := Load(environ)
		if err != nil {
			t.Errorf("%s: %v", tt.settings, err)
			continue
		}
		var names []string
		for _, u := range cfg.Unused() {
			names = append(names, u.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: no effect of %q, want %q", tt.settings, got, tt.want)
		}
	}
}
