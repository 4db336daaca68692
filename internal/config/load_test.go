package config

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-multierror"
)

func TestLoad(t *testing.T) {
	c := mustLoad(t,
		"PATH=/bin",
		"LB_BACKENDS= http://10.0.0.1:8001 , 10.0.0.2:8002;weight=3,",
		"LB_L4_LISTEN=127.0.0.1:0",
		"LB_ADMIN_LISTEN=off",
		"LB_RETRIES=0",
		"LB_HEALTH_STATUS=200-299,304",
		"LB_L7_IDLE_TIMEOUT=0",
		"LB_L7_TRUSTED_PROXIES=",
		"LB_LOG_LEVEL=debug",
	)
	one := c.Services[0]
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"backends trimmed", fmt.Sprint(one.Backends), "10.0.0.1:8001,10.0.0.2:8002;weight=3"},
		{"address", one.L4Listen, Address("127.0.0.1:0")},
		{"address by default", one.L7Listen, Address(":8000")},
		{"admin off", c.AdminListen.Off(), true},
		{"zero", one.Retries, 0},
		{"range", one.HealthStatus.Contains(304), true},
		{"no limit", one.L7IdleTimeout, time.Duration(0)},
		{"duration by default", c.DrainTimeout, 25 * time.Second},
		{"size by default", one.L7MaxHeader, Size(64 << 10)},
		{"empty list", len(one.L7TrustedProxies.Networks), 0},
		{"level", c.LogLevel, slog.LevelDebug},
		{"source of an empty list", one.sources["LB_L7_TRUSTED_PROXIES"].String(), "environment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !reflect.DeepEqual(tt.got, tt.want) {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		})
	}
}

// TestLoadIgnoresProcess pins that an empty list of variables does not
// make env.Parse read the process's own.
func TestLoadIgnoresProcess(t *testing.T) {
	t.Setenv("LB_BACKENDS", "a:1")
	if _, err := Load(nil); err == nil {
		t.Error("took LB_BACKENDS from the process's environment")
	}
}

func TestLoadLastDuplicateWins(t *testing.T) {
	if c := mustLoad(t, "LB_BACKENDS=a:1", "LB_RETRIES=1", "LB_RETRIES=3").Services[0]; c.Retries != 3 {
		t.Errorf("got %d, want 3", c.Retries)
	}
}

// TestLoadOff pins that off is taken for every time and size that 0 disables.
func TestLoadOff(t *testing.T) {
	c := mustLoad(t, "LB_BACKENDS=a:1", "LB_SLOW_START=off", "LB_L4_IDLE_TIMEOUT=off", "LB_L4_HALF_CLOSE_TIMEOUT=off",
		"LB_L4_MAX_AGE=off", "LB_L7_HEADER_TIMEOUT=off", "LB_L7_IDLE_TIMEOUT=off", "LB_L7_BACKEND_TIMEOUT=off",
		"LB_L7_MAX_BODY=off", "LB_SHUTDOWN_DELAY=off", "LB_DRAIN_TIMEOUT=off")
	for _, s := range settings() {
		h := holderOf(&c, s)
		if h.source(s.name).String() == "environment" && s.name != "LB_BACKENDS" && !s.value(h).IsZero() {
			t.Errorf("%s: got %s, want 0", s.name, s.format(h))
		}
	}
}

func TestLoadFaults(t *testing.T) {
	const good = "LB_BACKENDS=a:1"
	for _, tt := range []struct {
		name    string
		environ []string
		want    []string
	}{
		{"nothing set", nil, []string{
			`LB_BACKENDS: not set, expected at least one host:port or unix:/path, separated by commas, such as 10.0.0.1:8001,10.0.0.2:8001`}},
		{"required but empty", []string{"LB_BACKENDS="}, []string{
			`LB_BACKENDS="": expected at least one host:port or unix:/path, separated by commas, such as 10.0.0.1:8001,10.0.0.2:8001`}},
		{"only commas", []string{"LB_BACKENDS=,,"}, []string{
			`LB_BACKENDS=",,": expected at least one host:port or unix:/path, separated by commas, such as 10.0.0.1:8001,10.0.0.2:8001`}},
		{"each bad entry", []string{"LB_BACKENDS=a,b:1,c:0"}, []string{
			`LB_BACKENDS: entry "a": expected host:port or unix:/path`,
			`LB_BACKENDS: entry "c:0": expected a port from 1 to 65535 after the host`}},
		{"each bad option of an entry", []string{"LB_BACKENDS=a:1;weight=x;wat,$HOST:1"}, []string{
			`LB_BACKENDS: entry "a:1;weight=x;wat": option weight=x: expected a whole number from 1 to 256`,
			`LB_BACKENDS: entry "a:1;weight=x;wat": unknown option "wat", expected weight=N, max_conns=N, check=PORT or backup`,
			`LB_BACKENDS: entry "$HOST:1": expected a host, got "$HOST": a variable that was not replaced?`}},
		{"each backend twice", []string{"LB_BACKENDS=a:1,b:2,http://a:1,b:2"}, []string{
			`LB_BACKENDS: entry "a:1": expected each backend once`,
			`LB_BACKENDS: entry "b:2": expected each backend once`}},
		{"each bad network", []string{good, "LB_L7_TRUSTED_PROXIES=10.0.0.1/8,me"}, []string{
			`LB_L7_TRUSTED_PROXIES: entry "10.0.0.1/8": expected a CIDR without host bits, such as 10.0.0.0/8`,
			`LB_L7_TRUSTED_PROXIES: entry "me": expected an address or a CIDR such as 10.0.0.0/8`}},
		{"each bad status", []string{good, "LB_HEALTH_STATUS=20,2xx"}, []string{
			`LB_HEALTH_STATUS: entry "20": expected a status from 100 to 599, or a range such as 200-299`,
			`LB_HEALTH_STATUS: entry "2xx": expected a status from 100 to 599, or a range such as 200-299`}},

		// The next ones pin that a fault names the variable, where env.Parse names the field.
		{"number", []string{good, "LB_RETRIES=many"}, []string{
			`LB_RETRIES="many": expected a whole number from 0 to 16`}},
		{"number out of range", []string{good, "LB_RETRIES=17", "LB_HEALTH_RISE=0", "LB_HEALTH_PORT=-1"}, []string{
			`LB_RETRIES="17": expected a whole number from 0 to 16`,
			`LB_HEALTH_PORT="-1": expected a whole number from 0 to 65535`,
			`LB_HEALTH_RISE="0": expected a whole number from 1 to 1000`}},
		{"duration without unit", []string{good, "LB_CONNECT_TIMEOUT=2"}, []string{
			`LB_CONNECT_TIMEOUT="2": expected a duration of at least 1ms, such as 500ms or 1m30s; did you mean 2s?`}},
		{"off where nothing can be", []string{good, "LB_CONNECT_TIMEOUT=off", "LB_L7_MAX_HEADER=off", "LB_RETRIES=off"}, []string{
			`LB_RETRIES="off": expected a whole number from 0 to 16`,
			`LB_CONNECT_TIMEOUT="off": expected a duration of at least 1ms, such as 500ms or 1m30s`,
			`LB_L7_MAX_HEADER="off": expected a size from 1KiB to 16MiB, in bytes or with KiB, MiB or GiB`}},
		{"duration out of range", []string{good, "LB_CONNECT_TIMEOUT=0", "LB_DRAIN_TIMEOUT=-1s"}, []string{
			`LB_CONNECT_TIMEOUT="0": expected a duration of at least 1ms, such as 500ms or 1m30s`,
			`LB_DRAIN_TIMEOUT="-1s": expected a duration of at least 0s, such as 500ms or 1m30s, or off`}},
		{"size", []string{good, "LB_L7_MAX_HEADER=64k", "LB_L7_MAX_BODY=-1"}, []string{
			`LB_L7_MAX_HEADER="64k": expected a size from 1KiB to 16MiB, in bytes or with KiB, MiB or GiB; did you mean 64KiB?`,
			`LB_L7_MAX_BODY="-1": expected a size of at least 0, in bytes or with KiB, MiB or GiB, or off`}},
		{"size out of range", []string{good, "LB_L7_MAX_HEADER=0"}, []string{
			`LB_L7_MAX_HEADER="0": expected a size from 1KiB to 16MiB, in bytes or with KiB, MiB or GiB`}},
		{"word", []string{good, "LB_HEALTH_CHECK=https", "LB_LOG_LEVEL=information", "LB_LOG_FORMAT=xml"}, []string{
			`LB_HEALTH_CHECK="https": expected auto, http, tcp or off`,
			`LB_LOG_LEVEL="information": expected debug, info, warn or error`,
			`LB_LOG_FORMAT="xml": expected text or json`}},
		{"address", []string{good, "LB_L4_LISTEN=9000"}, []string{
			`LB_L4_LISTEN="9000": expected host:port, :port or unix:/path, or off; did you mean :9000?`}},
		{"listener on bare IPv6", []string{good, "LB_L4_LISTEN=::1:9000"}, []string{
			`LB_L4_LISTEN="::1:9000": expected host:port, :port or unix:/path, or off; did you mean [::1]:9000?`}},
		{"path", []string{good, "LB_HEALTH_PATH=health"}, []string{
			`LB_HEALTH_PATH="health": expected a path that begins with / and has no spaces, control characters or #`}},

		// env.Parse would take the default for each of these.
		{"set but empty", []string{good, "LB_RETRIES=", "LB_CONNECT_TIMEOUT=", "LB_L4_LISTEN=", "LB_LOG_FORMAT="}, []string{
			`LB_L4_LISTEN="": expected host:port, :port or unix:/path, or off; unset it for the default :9000`,
			`LB_RETRIES="": expected a whole number from 0 to 16; unset it for the default 2`,
			`LB_CONNECT_TIMEOUT="": expected a duration of at least 1ms, such as 500ms or 1m30s; unset it for the default 2s`,
			`LB_LOG_FORMAT="": expected text or json; unset it for the default text`}},

		{"what a probe does not use", []string{good, "LB_HEALTH_CHECK=http", `LB_HEALTH_SEND=PING\r\n`, "LB_HEALTH_EXPECT=+PONG"}, []string{
			`LB_HEALTH_SEND="PING\\r\\n": only a tcp probe uses it, expected LB_HEALTH_CHECK to be auto or tcp`,
			`LB_HEALTH_EXPECT="+PONG": only a tcp probe uses it, expected LB_HEALTH_CHECK to be auto or tcp`}},
		{"two ways to judge an answer", []string{good, "LB_L7_LISTEN=off", "LB_HEALTH_EXPECT=+OK", "LB_HEALTH_MATCH=^.OK"}, []string{
			`LB_HEALTH_MATCH="^.OK": LB_HEALTH_EXPECT is set as well, expected one of the two`}},
		{"a pattern for no body", []string{good, "LB_HEALTH_METHOD=HEAD", "LB_HEALTH_MATCH=ok"}, []string{
			`LB_HEALTH_MATCH="ok": a response to LB_HEALTH_METHOD=HEAD has no body, expected another method`}},
		{"a status of two meanings", []string{good, "LB_HEALTH_STATUS=200-299", "LB_HEALTH_STANDBY_STATUS=503,206"}, []string{
			`LB_HEALTH_STANDBY_STATUS="503,206": LB_HEALTH_STATUS="200-299" has 206 too, expected each status in one of the two`}},
		{"single with backups", []string{"LB_BACKENDS=a:1,b:1;backup", "LB_BALANCE=single"}, []string{
			`LB_BACKENDS: entry "b:1;backup": with LB_BALANCE=single the next in the list takes over, expected no ;backup`}},
		{"what an http probe asks", []string{good, "LB_HEALTH_METHOD=head", "LB_HEALTH_HOST=a b", "LB_HEALTH_HEADERS=Host: a", "LB_HEALTH_MATCH=["}, []string{
			`LB_HEALTH_METHOD="head": expected an HTTP method in upper case, such as GET, HEAD or OPTIONS; did you mean HEAD?`,
			`LB_HEALTH_HOST="a b": expected a host, with a port or without, such as api.example.com`,
			`LB_HEALTH_HEADERS="Host: a": expected header lines such as Name: value, separated by \r\n, without Host (LB_HEALTH_HOST), Connection, Content-Length and Transfer-Encoding`,
			`LB_HEALTH_MATCH="[": expected a regular expression in RE2's syntax, such as ^220[ -]`}},
		{"a probe of no kind", []string{good, "LB_HEALTH_CHECK=redis", `LB_HEALTH_EXPECT=+\P`}, []string{
			`LB_HEALTH_CHECK="redis": expected auto, http, tcp or off`,
			`LB_HEALTH_EXPECT="+\\P": expected text, in which \r, \n, \t, \0, \xNN and \\ stand for bytes`}},
		{"policy", []string{good, "LB_BALANCE=leastconn"}, []string{
			`LB_BALANCE="leastconn": expected round_robin, least_conn, random2, source_hash or single`}},
		{"everything off", []string{good, "LB_L4_LISTEN=off", "LB_L7_LISTEN=off"}, []string{
			`LB_L4_LISTEN="off", LB_L7_LISTEN="off": expected at least one of them to be on`}},
		{"one listener off and one wrong", []string{good, "LB_L4_LISTEN=off", "LB_L7_LISTEN=x"}, []string{
			`LB_L7_LISTEN="x": expected host:port, :port or unix:/path, or off`}},
		{"one address twice", []string{good, "LB_L7_LISTEN=:9000", "LB_ADMIN_LISTEN=:9000"}, []string{
			`LB_L7_LISTEN=":9000": LB_L4_LISTEN=":9000" has that address, expected another one`,
			`LB_ADMIN_LISTEN=":9000": LB_L4_LISTEN=":9000" has that address, expected another one`}},
		{"one address in other words", []string{good, "LB_L7_LISTEN=0.0.0.0:09000"}, []string{
			`LB_L7_LISTEN="0.0.0.0:09000": LB_L4_LISTEN=":9000" has that address, expected another one`}},
		{"a shared Unix socket", []string{good, "LB_REUSE_PORT=on", "LB_L4_LISTEN=unix:/run/l4", "LB_ADMIN_LISTEN=unix:/run/admin"}, []string{
			`LB_L4_LISTEN="unix:/run/l4": LB_REUSE_PORT=on shares TCP addresses alone, expected host:port`,
			`LB_ADMIN_LISTEN="unix:/run/admin": LB_REUSE_PORT=on shares TCP addresses alone, expected host:port`}},
		{"all kinds at once, in order", []string{"LB_X=1", "LB_RETRIES=x", "LB_BACKENDS=a", "LB_L4_LISTEN=off", "LB_L7_LISTEN=off"}, []string{
			`LB_BACKENDS: entry "a": expected host:port or unix:/path`,
			`LB_RETRIES="x": expected a whole number from 0 to 16`,
			`LB_L4_LISTEN="off", LB_L7_LISTEN="off": expected at least one of them to be on`,
			`LB_X="1": unknown setting; see fourseven help`}},
	} {
		t.Run(tt.name, func(t *testing.T) { checkFaults(t, tt.environ, tt.want) })
	}
}

func TestLoadUnknownNames(t *testing.T) {
	const kubernetes = "Kubernetes sets it for a Service named %s; enableServiceLinks: false in the pod's spec turns that off"
	for _, tt := range []struct{ name, value, hint string }{
		{"LB_BACKEND", "b:1", "did you mean LB_BACKENDS?"},
		{"LB_BAKCENDS", "b:1", "did you mean LB_BACKENDS?"},
		{"LB_BACKEND_FILE", "/b", "did you mean LB_BACKENDS_FILE?"},
		{"LB_HEALTH_INTERVALL", "5s", "did you mean LB_HEALTH_INTERVAL?"},
		{"LB_health_interval", "5s", "did you mean LB_HEALTH_INTERVAL?"},
		{"LB_LISTEN", ":80", "did you mean LB_L4_LISTEN?"},
		{"LB_RETRIE", "1", "did you mean LB_RETRIES?"},
		{"LB_FOO", "1", "see fourseven help"},
		{"LB_", "1", "see fourseven help"},
		{"LB_PORT", "8000", "see fourseven help"},
		{"LB_PORT", "tcp://10.0.0.1:8000", fmt.Sprintf(kubernetes, "lb")},
		{"LB_SERVICE_HOST", "10.0.0.1", fmt.Sprintf(kubernetes, "lb")},
		{"LB_SERVICE_PORT", "8000", fmt.Sprintf(kubernetes, "lb")},
		{"LB_SERVICE_PORT_HTTP", "8000", fmt.Sprintf(kubernetes, "lb")},
		{"LB_PORT_8000_TCP", "tcp://10.0.0.1:8000", fmt.Sprintf(kubernetes, "lb")},
		{"LB_PORT_8000_TCP_ADDR", "10.0.0.1", fmt.Sprintf(kubernetes, "lb")},
		{"LB_PORT_53_UDP_PROTO", "udp", fmt.Sprintf(kubernetes, "lb")},
		{"LB_MY_ADMIN_SERVICE_HOST", "10.0.0.1", fmt.Sprintf(kubernetes, "lb-my-admin")},
		{"LB_MY_ADMIN_PORT_80_TCP_PORT", "80", fmt.Sprintf(kubernetes, "lb-my-admin")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := fmt.Sprintf("%s=%q: unknown setting; %s", tt.name, tt.value, tt.hint)
			checkFaults(t, []string{"LB_BACKENDS=a:1", tt.name + "=" + tt.value}, []string{want})
		})
	}
}

// TestLoadUnknownSecrets pins that a token whose variable is misspelt does not
// land in the log for it.
func TestLoadUnknownSecrets(t *testing.T) {
	for name, hint := range map[string]string{
		"LB_ADMIN_TOKENS":   "did you mean LB_ADMIN_TOKEN?",
		"LB_ADMIN_TOEKN":    "did you mean LB_ADMIN_TOKEN?",
		"LB_admin_token":    "did you mean LB_ADMIN_TOKEN?",
		"LB_TOKEN":          "see fourseven help",
		"LB_ADMIN_PASSWORD": "see fourseven help",
	} {
		checkFaults(t, []string{"LB_BACKENDS=a:1", name + "=hush"}, []string{name + ": unknown setting; " + hint})
	}
}

// TestLoadWordsInAnyCase pins that words are taken in capitals, as people write levels.
func TestLoadWordsInAnyCase(t *testing.T) {
	c := mustLoad(t, "LB_BACKENDS=a:1", "LB_LOG_LEVEL=WARN", "LB_BALANCE=Least_Conn", "LB_REUSE_PORT=ON")
	if c.LogLevel != slog.LevelWarn || c.Services[0].Balance.String() != "least_conn" || !bool(c.ReusePort) {
		t.Errorf("got level %s, balance %s, reuse port %s", c.LogLevel, c.Services[0].Balance, c.ReusePort)
	}
}

func TestLoadFile(t *testing.T) {
	for _, content := range []string{"a:1,b:2", "a:1,b:2\n", "a:1,b:2\r\n\n"} {
		path := write(t, content)
		c := mustLoad(t, "LB_BACKENDS_FILE="+path).Services[0]
		if got := c.Backends.String(); got != "a:1,b:2" {
			t.Errorf("%q: got %s", content, got)
		}
		if got := c.sources["LB_BACKENDS"].String(); got != "file "+path {
			t.Errorf("source: got %s", got)
		}
	}
}

// TestLoadFileOfEach pins that every setting may come from a file, words
// included, which a newline that is kept would spoil.
func TestLoadFileOfEach(t *testing.T) {
	environ := []string{"LB_BACKENDS_FILE=" + write(t, "a:1\n")}
	for _, s := range settings() {
		if !s.required() && !s.secret() { // see TestLoadEmptyFileOfASecret
			environ = append(environ, s.name+"_FILE="+write(t, s.fallback()+"\n"))
		}
	}
	c := mustLoad(t, environ...)
	want := mustLoad(t, "LB_BACKENDS=a:1")
	for _, s := range settings() {
		if got, want := s.format(holderOf(&c, s)), s.format(holderOf(&want, s)); got != want {
			t.Errorf("%s: got %q, want the default %q", s.name, got, want)
		}
	}
}

func TestLoadFileFaults(t *testing.T) {
	missing, number, empty := t.TempDir()+"/none", write(t, "x\n"), write(t, "\n")
	checkFaults(t,
		[]string{
			"LB_BACKENDS_FILE=" + missing, "LB_RETRIES_FILE=" + number, "LB_HEALTH_RISE_FILE=" + empty,
			"LB_HEALTH_FALL_FILE=", "LB_LOG_FORMAT=text", "LB_LOG_FORMAT_FILE=" + number,
		},
		[]string{
			fmt.Sprintf(`LB_BACKENDS_FILE=%q: expected a file to read: no such file or directory`, missing),
			fmt.Sprintf(`LB_RETRIES="x" (file %s): expected a whole number from 0 to 16`, number),
			fmt.Sprintf(`LB_HEALTH_RISE="" (file %s): expected a whole number from 1 to 1000; unset it for the default 1`, empty),
			`LB_HEALTH_FALL_FILE="": expected a file to read: no such file or directory`,
			fmt.Sprintf(`LB_LOG_FORMAT_FILE=%q: LB_LOG_FORMAT is set as well, expected one of the two`, number),
		})
}

// Pins that a secret given in place of the name of its file is not shown.
func TestLoadSecretInPlaceOfItsFile(t *testing.T) {
	long := strings.Repeat("s3cret", 1000) // no name of a file is that long
	checkFaults(t,
		[]string{
			"LB_BACKENDS=a:1", "LB_ADMIN_TOKEN_FILE=s3cret", "LB_ADMIN_TOKEN=x",
			"LB_TLS_CERT_FILE=s3cret", "LB_TLS_KEY_FILE=" + long, "LB_TLS_TICKET_KEY_FILE=/s3cret",
		},
		[]string{
			`LB_TLS_CERT_FILE: expected a file to read: no such file or directory`,
			`LB_TLS_KEY_FILE: expected a file to read: file name too long`,
			`LB_TLS_TICKET_KEY_FILE: expected a file to read: no such file or directory`,
			`LB_ADMIN_TOKEN_FILE: LB_ADMIN_TOKEN is set as well, expected one of the two`,
		})
}

// Pins that an empty file of a secret is a fault. Taken as no value, that of LB_TLS_CLIENT_CA
// would let in clients without a certificate.
func TestLoadEmptyFileOfASecret(t *testing.T) {
	for _, s := range settings() {
		if s.secret() {
			path := write(t, " \n")
			checkFaults(t, []string{"LB_BACKENDS=a:1", s.name + "_FILE=" + path},
				[]string{fmt.Sprintf("%s_FILE: the file %s is empty, expected the value of %s", s.name, path, s.name)})
		}
	}
}

// TestSettingsTags pins what the code takes for granted about config's tags.
func TestSettingsTags(t *testing.T) {
	c := mustLoad(t, "LB_BACKENDS=a:1")
	for _, s := range settings() {
		if s.help() == "" {
			t.Errorf("%s has no help", s.name)
		}
		if s.required() && s.fallback() != "" {
			t.Errorf("%s is required and has a default", s.name)
		}
		_, low := s.limit("min")
		if kind, _ := s.kind(); (kind == "number" || kind == "duration" || kind == "size") && !low {
			t.Errorf("%s has no min that can be read", s.name)
		}
		if high := s.field.Tag.Get("max"); high != "" {
			if _, ok := s.limit("max"); !ok {
				t.Errorf("%s has max %q, which cannot be read", s.name, high)
			}
		}
		if !s.required() && !s.allows(s.fallback()) || !s.inRange(holderOf(&c, s)) {
			t.Errorf("%s does not allow its default", s.name)
		}
	}
}

// holderOf returns what has the value of a setting where there are no named services.
func holderOf(c *Config, s setting) holder {
	if contains(processSettings(), s.name) {
		return c
	}
	return c.Services[0]
}

// checkFaults loads the settings and wants these faults, one a line.
func checkFaults(t *testing.T, environ, want []string) {
	t.Helper()
	_, err := Load(environ)
	if err == nil {
		t.Fatal("got no error")
	}
	if got, want := err.Error(), strings.Join(want, "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	var all *multierror.Error
	if !errors.As(err, &all) || len(all.Errors) != len(want) {
		t.Errorf("got %v, want a multierror of %d", err, len(want))
	}
}

// What a probe sends may hold a password: from a file it is shown nowhere, from the
// environment it is no secret.
func TestLoadHidesPayloadOfFile(t *testing.T) {
	for _, tt := range []struct{ name, content, also string }{
		{"SEND", `AUTH hush\r\n`, "LB_HEALTH_CHECK=tcp"},
		{"SEND", `AUTH hush\P`, "LB_HEALTH_CHECK=tcp"},
		{"SEND", `AUTH hush\r\n`, "LB_HEALTH_CHECK=http"},
		{"HEADERS", `Authorization: hush\r\n`, "LB_HEALTH_CHECK=http"},
		{"HEADERS", `Authorization hush`, "LB_HEALTH_CHECK=http"},
		{"EXPECT", `hush`, "LB_HEALTH_MATCH=x"},
	} {
		cfg, err := Load([]string{"LB_BACKENDS=a:1", "LB_HEALTH_" + tt.name + "_FILE=" + write(t, tt.content), tt.also})
		if got := effective(t, &cfg) + fmt.Sprint(err); strings.Contains(got, "hush") {
			t.Errorf("%s, %s:\n%s", tt.content, tt.also, got)
		}
	}
	c := mustLoad(t, "LB_BACKENDS=a:1", "LB_HEALTH_CHECK=tcp", "LB_HEALTH_SEND=PING")
	if got := effective(t, &c); !strings.Contains(got, "PING") {
		t.Errorf("no PING in:\n%s", got)
	}
}

// A token must not reach a log, not even one that is refused.
func TestLoadKeepsSecrets(t *testing.T) {
	_, err := Load([]string{"LB_BACKENDS=a:1", "LB_ADMIN_TOKEN=hush hush"})
	if err == nil || !strings.Contains(err.Error(), "LB_ADMIN_TOKEN: expected visible ASCII") || strings.Contains(err.Error(), "hush") {
		t.Errorf("error: %v", err)
	}
	cfg, err := Load([]string{"LB_BACKENDS=a:1", "LB_ADMIN_TOKEN=hush"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := cfg.WriteEffective(&out); err != nil || strings.Contains(out.String(), "hush") {
		t.Errorf("effective settings: %v\n%s", err, out.String())
	}
}
