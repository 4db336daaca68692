package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

var update = flag.Bool("update", false, "rewrite the goldens under testdata")

func TestHelp(t *testing.T) {
	var b bytes.Buffer
	if err := WriteHelp(&b); err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, filepath.Join("testdata", "help.golden"), b.Bytes(), *update, "go test ./internal/config -run TestHelp")
	for _, s := range settings() {
		if !strings.Contains(b.String(), "\n  "+s.name+"  (") {
			t.Errorf("help does not list %s", s.name)
		}
	}
}

// TestHelpIsWrapped pins that help can be read in a terminal of 80 columns.
func TestHelpIsWrapped(t *testing.T) {
	var b bytes.Buffer
	if err := WriteHelp(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		words := strings.Fields(line)
		if len(line) > 90 && len(words) > 1 && !strings.Contains(line, "  (") {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
}

func TestWriteSettingHelp(t *testing.T) {
	for _, name := range []string{"LB_BALANCE", "balance", "LB_BALANCE_FILE"} {
		var b bytes.Buffer
		if err := WriteSettingHelp(&b, name); err != nil || !strings.HasPrefix(b.String(), "  LB_BALANCE  (round_robin|") || strings.Contains(b.String(), "LB_RETRIES") {
			t.Errorf("%s: %v, got %s", name, err, b.String())
		}
	}
	err := WriteSettingHelp(&bytes.Buffer{}, "LB_BALLANCE")
	if err == nil || err.Error() != "unknown setting LB_BALLANCE; did you mean LB_BALANCE?" {
		t.Errorf("got %v", err)
	}
}

func TestWriteEffective(t *testing.T) {
	path := write(t, "127.0.0.1:8001,127.0.0.1:8002\n")
	c := mustLoad(t, "LB_BACKENDS_FILE="+path, "LB_L7_LISTEN=off", "LB_L7_TRUSTED_PROXIES=10.1.2.3, fd00::/8",
		"LB_L7_MAX_BODY=1048576", "LB_DRAIN_TIMEOUT=60s", "LB_LOG_LEVEL=warn")
	var rows []string
	for line := range strings.Lines(effective(t, &c)) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{
		"LB_BACKENDS 127.0.0.1:8001,127.0.0.1:8002 file " + path,
		"LB_L4_LISTEN :9000 default",
		"LB_L7_LISTEN off environment",
		"LB_HEALTH_CHECK tcp default",
		"LB_L7_MAX_BODY 1MiB environment",
		"LB_L7_TRUSTED_PROXIES 10.1.2.3/32,fd00::/8 environment",
		"LB_DRAIN_TIMEOUT 1m environment",
		"LB_LOG_LEVEL warn environment",
		"LB_L7_MAX_BODY has no effect: LB_L7_LISTEN is off",
	} {
		if !slices.Contains(rows, want) {
			t.Errorf("no row %q in:\n%s", want, strings.Join(rows, "\n"))
		}
	}
	if rows[0] != "SETTING VALUE SOURCE" || len(rows) != 1+len(settings())+len(c.Unused()) {
		t.Errorf("%d rows for %d settings, the first is %q", len(rows), len(settings()), rows[0])
	}
}

func TestWriteEffectiveShowsEmpty(t *testing.T) {
	c := mustLoad(t, "LB_BACKENDS=a:1")
	if got := strings.Join(strings.Fields(effective(t, &c)), " "); !strings.Contains(got, "LB_L7_TRUSTED_PROXIES (empty) default") {
		t.Errorf("got:\n%s", got)
	}
}

// FuzzEffective pins that what check prints can be set again and means the same.
func FuzzEffective(f *testing.F) {
	f.Add("a:1,http://b:2;weight=3", "127.0.0.1:0", "/h?x=%20", "200-299, 304", "1536KiB", "10.0.0.1,fd00::/8", "90m", "", `A: 1\r\nB: \xff`, "")
	f.Add("a:1;backup", ":0", "/", "200", "0", "", "0", `+PONG\r\n\x00\\`, "", "")
	f.Add("a:1;check=b:2", ":0", "/", "200", "0", "", "0", "", "A:", `^\*3\r\n\x246`)
	f.Fuzz(func(t *testing.T, backends, listen, path, statuses, body, proxies, drain, expect, headers, match string) {
		environ := []string{"LB_BACKENDS=" + backends, "LB_L4_LISTEN=" + listen, "LB_HEALTH_PATH=" + path,
			"LB_HEALTH_STATUS=" + statuses, "LB_L7_MAX_BODY=" + body, "LB_L7_TRUSTED_PROXIES=" + proxies, "LB_DRAIN_TIMEOUT=" + drain,
			"LB_HEALTH_EXPECT=" + expect, "LB_HEALTH_HEADERS=" + headers, "LB_HEALTH_MATCH=" + match}
		c, err := Load(environ)
		if err != nil {
			t.Skip()
		}
		var again []string
		for _, s := range settings() {
			again = append(again, s.name+"="+s.format(holderOf(&c, s)))
		}
		c2 := mustLoad(t, again...)
		for _, s := range settings() {
			if got, want := s.format(holderOf(&c2, s)), s.format(holderOf(&c, s)); got != want {
				t.Errorf("%s: %q became %q", s.name, want, got)
			}
		}
	})
}

func effective(t *testing.T, c *Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.WriteEffective(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func mustLoad(t *testing.T, environ ...string) Config {
	t.Helper()
	c, err := Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write returns the path of a new file with that content.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
