package config

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// design is the example of several services.
var design = []string{
	"LB_SERVICES=rw,ro,redis",
	"LB_BACKENDS=pg1:5432,pg2:5432,pg3:5432",
	"LB_HEALTH_CHECK=http", "LB_HEALTH_PORT=8008", "LB_HEALTH_ON_DOWN=close",
	"LB_RW_L4_LISTEN=:5432", "LB_RW_HEALTH_PATH=/primary",
	"LB_RO_L4_LISTEN=:5433", "LB_RO_HEALTH_PATH=/replica", "LB_RO_BALANCE=least_conn",
	"LB_REDIS_L4_LISTEN=:6379", "LB_REDIS_BACKENDS=redis1:6379,redis2:6379", "LB_REDIS_HEALTH_CHECK=tcp", "LB_REDIS_HEALTH_PORT=0",
	`LB_REDIS_HEALTH_SEND=ROLE\r\n`, `LB_REDIS_HEALTH_MATCH=^\*\d+\r\n\$6\r\nmaster`,
}

// Pins what a service has of its own, what it inherits, and what it does not.
func TestServices(t *testing.T) {
	c := mustLoad(t, append(design, "LB_MAX_CONNS=1000", "LB_RO_MAX_CONNS=100")...)
	var names []string
	for _, s := range c.Services {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, ","); got != "rw,ro,redis" {
		t.Fatalf("services %s", got)
	}
	rw, ro, redis := c.Services[0], c.Services[1], c.Services[2]
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"an inherited list", rw.Backends.String(), "pg1:5432,pg2:5432,pg3:5432"},
		{"a list of its own", redis.Backends.String(), "redis1:6379,redis2:6379"},
		{"an inherited word", ro.HealthOnDown, "close"},
		{"a word of its own", ro.Balance.String(), "least_conn"},
		{"the default", rw.Balance.String(), "round_robin"},
		{"its own default ends the inheritance", redis.HealthPort, 0},
		{"listeners are off", rw.L7Listen.Off(), true},
		{"unless they are set", string(redis.L4Listen), ":6379"},
		{"kind of probe", redis.ProbeKind(), "tcp"},
		{"the limit is not inherited", rw.MaxConns, 0},
		{"a limit of its own", ro.MaxConns, 100},
		{"the limit of the process", c.MaxConns, 1000},
		{"what is nowhere set", ro.ConnectTimeout, 2 * time.Second},
	} {
		if fmt.Sprint(tt.got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if unused := c.Unused(); len(unused) > 0 {
		t.Errorf("no effect: %v", unused)
	}
}

// Pins that a service's own variable or file comes before a variable or file for all,
// and that an empty one ends the inheritance.
func TestServicesPrecedence(t *testing.T) {
	own, all := write(t, "10.1.0.0/16\n"), write(t, "10.2.0.0/16\n")
	base := []string{"LB_SERVICES=a,b", "LB_BACKENDS=x:1", "LB_A_L4_LISTEN=:1", "LB_B_L4_LISTEN=:2"}
	for _, tt := range []struct{ settings, want string }{
		{"LB_ALLOW=10.3.0.0/16 LB_A_ALLOW=10.4.0.0/16", "10.4.0.0/16"},
		{"LB_ALLOW=10.3.0.0/16 LB_A_ALLOW_FILE=" + own, "10.1.0.0/16"},
		{"LB_ALLOW_FILE=" + all + " LB_A_ALLOW=10.4.0.0/16", "10.4.0.0/16"},
		{"LB_ALLOW_FILE=" + all + " LB_A_ALLOW_FILE=" + own, "10.1.0.0/16"},
		{"LB_ALLOW_FILE=" + all, "10.2.0.0/16"},
		{"LB_ALLOW_FILE=" + all + " LB_A_ALLOW=", ""},
		{"LB_ALLOW=10.3.0.0/16 LB_B_ALLOW=10.4.0.0/16", "10.3.0.0/16"},
	} {
		c := mustLoad(t, append(strings.Fields(tt.settings), base...)...)
		if got := c.Services[0].Allow.String(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.settings, got, tt.want)
		}
	}
}

// Pins that check names the variable of each value.
func TestServicesEffective(t *testing.T) {
	list := write(t, "pg1:5432\n")
	c := mustLoad(t, "LB_SERVICES=rw,ro", "LB_BACKENDS_FILE="+list, "LB_RETRIES=1", "LB_RO_RETRIES=0",
		"LB_RW_L4_LISTEN=:1", "LB_RO_L4_LISTEN=:2", `LB_HEALTH_SEND_FILE=`+write(t, "AUTH hush"), "LB_RO_HEALTH_SEND=PING")
	var rows []string
	for line := range strings.Lines(effective(t, &c)) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{
		"LB_RW_BACKENDS pg1:5432 file " + list + ", LB_BACKENDS_FILE",
		"LB_RW_RETRIES 1 environment, LB_RETRIES",
		"LB_RO_RETRIES 0 environment, LB_RO_RETRIES",
		"LB_RO_BALANCE round_robin default",
		"LB_RW_L7_LISTEN off default",
		"LB_RO_MAX_CONNS 0 default",
		"LB_RO_HEALTH_SEND PING environment, LB_RO_HEALTH_SEND",
		"LB_SERVICES rw,ro environment",
		"LB_MAX_CONNS 0 default",
	} {
		if !slices.Contains(rows, want) {
			t.Errorf("no row %q in:\n%s", want, strings.Join(rows, "\n"))
		}
	}
	if got := strings.Join(rows, "\n"); strings.Contains(got, "hush") || !strings.Contains(got, "LB_RW_HEALTH_SEND (secret) file") {
		t.Errorf("an inherited secret:\n%s", got)
	}
}

func TestServicesFaults(t *testing.T) {
	base := []string{"LB_SERVICES=rw,ro", "LB_BACKENDS=a:1", "LB_RW_L4_LISTEN=:1", "LB_RO_L4_LISTEN=:2"}
	for _, tt := range []struct {
		name    string
		environ []string // after base; of one variable the last value counts
		want    []string
	}{
		{"a wrong default once", []string{"LB_RETRIES=many"}, []string{
			`LB_RETRIES="many": expected a whole number from 0 to 16`}},
		{"a wrong default that no service uses", []string{"LB_RETRIES=17", "LB_RW_RETRIES=1", "LB_RO_RETRIES=1"}, []string{
			`LB_RETRIES="17": expected a whole number from 0 to 16`}},
		{"a wrong word once", []string{"LB_BALANCE=best", "LB_BACKENDS=a"}, []string{
			`LB_BACKENDS: entry "a": expected host:port or unix:/path`,
			`LB_BALANCE="best": expected round_robin, least_conn, random2, source_hash or single`}},
		{"a service's own", []string{"LB_RW_RETRIES=many", "LB_RO_RETRIES=", "LB_RETRIES=1", "LB_RO_HEALTH_RISE="}, []string{
			`LB_RW_RETRIES="many": expected a whole number from 0 to 16`,
			`LB_RO_RETRIES="": expected a whole number from 0 to 16; unset it for LB_RETRIES`,
			`LB_RO_HEALTH_RISE="": expected a whole number from 1 to 1000; unset it for the default 1`}},
		{"a variable and a file", []string{"LB_RW_RETRIES=1", "LB_RW_RETRIES_FILE=/none"}, []string{
			`LB_RW_RETRIES_FILE="/none": LB_RW_RETRIES is set as well, expected one of the two`}},
		{"a file for all", []string{"LB_RETRIES_FILE=/none"}, []string{
			`LB_RETRIES_FILE="/none": expected a file to read: no such file or directory`}},
		{"a listener for all", []string{"LB_L4_LISTEN=:5", "LB_L7_LISTEN_FILE=/none"}, []string{
			`LB_L4_LISTEN=":5": services do not inherit it, expected LB_RW_L4_LISTEN, LB_RO_L4_LISTEN`,
			`LB_L7_LISTEN_FILE="/none": services do not inherit it, expected LB_RW_L7_LISTEN, LB_RO_L7_LISTEN`}},
		{"nowhere to listen", []string{"LB_SERVICES=rw,ro,x"}, []string{
			`LB_X_L4_LISTEN, LB_X_L7_LISTEN: neither is set, expected at least one of them to be on`}},
		{"both off", []string{"LB_RO_L4_LISTEN=off"}, []string{
			`LB_RO_L4_LISTEN="off", LB_RO_L7_LISTEN="off": expected at least one of them to be on`}},
		{"no backends", []string{"LB_SERVICES=rw,ro,x", "LB_X_L4_LISTEN=:3", "LB_X_BACKENDS="}, []string{
			`LB_X_BACKENDS="": expected at least one host:port or unix:/path, separated by commas, such as 10.0.0.1:8001,10.0.0.2:8001`}},
		{"one address twice", []string{"LB_RO_L7_LISTEN=127.0.0.1:1", "LB_ADMIN_LISTEN=:2"}, []string{
			`LB_RO_L7_LISTEN="127.0.0.1:1": LB_RW_L4_LISTEN=":1" has that address, expected another one`,
			`LB_ADMIN_LISTEN=":2": LB_RO_L4_LISTEN=":2" has that address, expected another one`}},
		{"a listener of another service", []string{"LB_RO_BACKENDS=127.0.0.1:1"}, []string{
			`LB_RO_BACKENDS: entry "127.0.0.1:1": it is this process's own listener LB_RW_L4_LISTEN=:1, expected a backend`}},
		{"what a probe does not use", []string{"LB_HEALTH_CHECK=http", "LB_HEALTH_SEND=x"}, []string{
			`LB_HEALTH_SEND="x": only a tcp probe uses it, expected LB_HEALTH_CHECK to be auto or tcp`}},
		{"a default beside one for all", []string{"LB_HEALTH_STANDBY_STATUS=200"}, []string{
			`LB_HEALTH_STANDBY_STATUS="200": LB_HEALTH_STATUS="200" has 200 too, expected each status in one of the two`}},
		{"a default beside a service's own", []string{"LB_RW_HEALTH_STANDBY_STATUS=200"}, []string{
			`LB_RW_HEALTH_STANDBY_STATUS="200": LB_RW_HEALTH_STATUS="200" has 200 too, expected each status in one of the two`}},
		{"what a service's probe does not use", []string{"LB_RW_HEALTH_CHECK=http", "LB_RW_HEALTH_SEND=x"}, []string{
			`LB_RW_HEALTH_SEND="x": only a tcp probe uses it, expected LB_RW_HEALTH_CHECK to be auto or tcp`}},
		{"a reserved name", []string{"LB_SERVICES=rw,health,ro,rw,RW,tls,1a,a_b"}, []string{
			`LB_SERVICES: entry "health": variables such as LB_HEALTH_... are settings already, expected another name`,
			`LB_SERVICES: entry "rw": expected each name once`,
			`LB_SERVICES: entry "RW": expected lower-case letters and digits; did you mean rw?`,
			`LB_SERVICES: entry "tls": variables such as LB_TLS_... are settings already, expected another name`,
			`LB_SERVICES: entry "1a": expected a lower-case letter, and up to 30 lower-case letters and digits after it`,
			`LB_SERVICES: entry "a_b": expected a lower-case letter, and up to 30 lower-case letters and digits after it`}},
		{"variables of a name that is wrong", []string{"LB_SERVICES=rw,ro,My-X", "LB_MY-X_L4_LISTEN=:9"}, []string{
			`LB_SERVICES: entry "My-X": expected a lower-case letter, and up to 30 lower-case letters and digits after it`}},
		{"only commas", []string{"LB_SERVICES=,"}, []string{
			`LB_SERVICES=",": expected names separated by commas, of lower-case letters and digits, such as rw,ro`,
			`LB_RO_L4_LISTEN=":2": unknown setting; for a service named ro set LB_SERVICES=ro`,
			`LB_RW_L4_LISTEN=":1": unknown setting; for a service named rw set LB_SERVICES=rw`}},
		{"unknown variables", []string{"LB_REDIS_BACKENDS=c:1", "LB_RW_BALANCEE=x", "LB_RW_DRAIN_TIMEOUT=1s", "LB_ro_BALANCE=x", "LB_RW_PORT_80_TCP=tcp://x"}, []string{
			`LB_REDIS_BACKENDS="c:1": unknown setting; there is no service redis in LB_SERVICES=rw,ro`,
			`LB_RW_BALANCEE="x": unknown setting; did you mean LB_RW_BALANCE?`,
			`LB_RW_DRAIN_TIMEOUT="1s": unknown setting; it is a setting of the process, expected LB_DRAIN_TIMEOUT`,
			`LB_RW_PORT_80_TCP="tcp://x": unknown setting; Kubernetes sets it for a Service named lb-rw; enableServiceLinks: false in the pod's spec turns that off`,
			`LB_ro_BALANCE="x": unknown setting; did you mean LB_RO_BALANCE?`}},
		{"a shared Unix socket", []string{"LB_REUSE_PORT=on", "LB_RO_L4_LISTEN=unix:/run/ro"}, []string{
			`LB_RO_L4_LISTEN="unix:/run/ro": LB_REUSE_PORT=on shares TCP addresses alone, expected host:port`}},
	} {
		t.Run(tt.name, func(t *testing.T) { checkFaults(t, append(slices.Clone(base), tt.environ...), tt.want) })
	}
	t.Run("no backends at all", func(t *testing.T) {
		checkFaults(t, []string{"LB_SERVICES=rw", "LB_RW_L4_LISTEN=:1"}, []string{
			`LB_RW_BACKENDS or LB_BACKENDS: not set, expected at least one host:port or unix:/path, separated by commas, such as 10.0.0.1:8001,10.0.0.2:8001`})
	})
	t.Run("one service without LB_SERVICES", func(t *testing.T) {
		checkFaults(t, []string{"LB_BACKENDS=a:1", "LB_REDIS_BACKENDS=b:1"}, []string{
			`LB_REDIS_BACKENDS="b:1": unknown setting; for a service named redis set LB_SERVICES=redis`})
	})
}

// Pins that a setting which services inherit is of no effect only if none of them uses
// it, and is then named once.
func TestServicesUnused(t *testing.T) {
	base := "LB_SERVICES=a,b LB_BACKENDS=10.0.0.1:1 LB_A_L4_LISTEN=:1 LB_B_L4_LISTEN=:2 "
	for _, tt := range []struct{ settings, want string }{
		{"LB_HEALTH_PATH=/h LB_A_HEALTH_CHECK=http", ""},
		{"LB_HEALTH_PATH=/h", "LB_HEALTH_PATH"},
		{"LB_A_HEALTH_PATH=/h LB_B_HEALTH_CHECK=http", "LB_A_HEALTH_PATH"},
		{"LB_HEALTH_SEND=x LB_A_HEALTH_CHECK=http", ""}, // b uses it
		{"LB_HEALTH_SEND=x LB_A_HEALTH_CHECK=http LB_B_HEALTH_CHECK=http", "LB_HEALTH_SEND"},
		{"LB_DNS_INTERVAL=1s LB_B_BACKENDS=db:1", ""},
		{"LB_A_L7_MAX_BODY=1KiB LB_B_L7_LISTEN=:3", "LB_A_L7_MAX_BODY"},
	} {
		c := mustLoad(t, strings.Fields(base+tt.settings)...)
		var names []string
		for _, u := range c.Unused() {
			names = append(names, u.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: no effect of %q, want %q", tt.settings, got, tt.want)
		}
	}
}

// Pins that the name of a service never gives a variable two meanings: each first word
// of a setting is reserved, and so are those of settings to come. A word that is neither
// need not be.
func TestReservedNames(t *testing.T) {
	toCome := []string{"backend", "conn", "hosts", "paths", "queue", "sni", "tls", "watch"}
	want := map[string]bool{}
	for _, s := range slices.Concat(serviceSettings(), processSettings()) {
		word, _, _ := strings.Cut(s.bare(), "_")
		want[strings.ToLower(word)] = true
	}
	for _, word := range toCome {
		want[word] = true
	}
	for word := range want {
		if !slices.Contains(reservedNames, word) {
			t.Errorf("%s is the first word of a setting, and not reserved", word)
		}
	}
	for _, word := range reservedNames {
		if !want[word] {
			t.Errorf("%s is reserved for no setting", word)
		}
	}
}

// Pins that a file which several services inherit is read once: a pipe has its content
// only once.
func TestServicesReadFileOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := w.WriteString("a:1,b:1\n"); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	c := mustLoad(t, "LB_SERVICES=x,y", fmt.Sprintf("LB_BACKENDS_FILE=/dev/fd/%d", r.Fd()), "LB_X_L4_LISTEN=:1", "LB_Y_L4_LISTEN=:2")
	for _, s := range c.Services {
		if got := s.Backends.String(); got != "a:1,b:1" {
			t.Errorf("%s: got %s", s.Name, got)
		}
	}
}

// Pins that help knows the variables of services.
func TestServicesHelp(t *testing.T) {
	for name, want := range map[string]string{
		"LB_RW_BALANCE": "  LB_BALANCE  (", "rw_l4_listen_file": "  LB_L4_LISTEN  (", "LB_MAX_CONNS": "  LB_MAX_CONNS  (number, default 0)\n      open client connections; 0 derives",
		"LB_RW_MAX_CONNS": "  LB_MAX_CONNS  (number, default 0)\n      open client connections of this service",
	} {
		var b bytes.Buffer
		if err := WriteSettingHelp(&b, name); err != nil || !strings.HasPrefix(b.String(), want) {
			t.Errorf("%s: %v, got %s", name, err, b.String())
		}
	}
	if err := WriteSettingHelp(&bytes.Buffer{}, "LB_HEALTH_BALANCE"); err == nil {
		t.Error("took health for the name of a service")
	}
}

// Pins that a hundred services are read in a few milliseconds.
func BenchmarkLoadServices(b *testing.B) {
	environ := []string{"LB_BACKENDS=10.0.0.1:1,10.0.0.2:1,db:1"}
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("s%d", i))
		environ = append(environ, fmt.Sprintf("LB_S%d_L4_LISTEN=127.0.0.1:%d", i, 10000+i))
	}
	environ = append(environ, "LB_SERVICES="+strings.Join(names, ","))
	for b.Loop() {
		if _, err := Load(environ); err != nil {
			b.Fatal(err)
		}
	}
}
