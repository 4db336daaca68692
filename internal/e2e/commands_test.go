//go:build linux

package e2e

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestExitCodes pins the exit codes, and what is said along with them and where.
func TestExitCodes(t *testing.T) {
	const good = "LB_BACKENDS=127.0.0.1:1"
	for _, tt := range []struct {
		name           string
		args           []string
		settings       []string
		code           int
		stdout, stderr []string
	}{
		{"no settings", nil, nil, exitUsage, nil, []string{"LB_BACKENDS: not set"}},
		{"every fault", nil, []string{"LB_BACKENDS=a,b:0", "LB_RETRIES=many", "LB_L7_LISTEN=", "LB_HEALTH_INTERVALL=1s", "LB_DRAIN_TIMEOUT=1"},
			exitUsage, nil, []string{
				`LB_BACKENDS: entry "a"`, `LB_BACKENDS: entry "b:0"`, `LB_RETRIES="many"`, `LB_L7_LISTEN=""`, `LB_DRAIN_TIMEOUT="1"`,
				`LB_HEALTH_INTERVALL="1s": unknown setting; did you mean LB_HEALTH_INTERVAL?`}},
		{"unknown command", []string{"serve"}, []string{good}, exitUsage, nil, []string{`unknown command "serve"`}},
		{"argument", []string{"check", "now"}, []string{good}, exitUsage, nil, []string{`"now"`}},
		{"check of good settings", []string{"check"}, []string{good, "LB_RETRIES=5"}, exitOK, []string{
			"LB_BACKENDS", "127.0.0.1:1", "environment", "LB_DRAIN_TIMEOUT", "25s", "default"}, nil},
		{"check of bad settings", []string{"check"}, []string{good, "LB_RETRIES=x", "LB_X=1"}, exitUsage, nil, []string{"LB_RETRIES", "LB_X"}},
		{"demo with backends", []string{"demo"}, []string{good}, exitUsage, nil, []string{"LB_BACKENDS is set"}},
		{"demo with bad settings", []string{"demo"}, []string{"LB_RETRIES=x"}, exitUsage, nil, []string{"LB_RETRIES"}},
		{"version", []string{"version"}, nil, exitOK, []string{"fourseven "}, nil},
		{"help", []string{"help"}, nil, exitOK, []string{"LB_BACKENDS", "LB_DRAIN_TIMEOUT", "healthcheck"}, nil},
		{"help as a flag", []string{"--help"}, nil, exitOK, []string{"LB_BACKENDS"}, nil},
		{"version as a flag", []string{"-v"}, nil, exitOK, []string{"fourseven "}, nil},
		{"help of one setting", []string{"help", "LB_BALANCE"}, nil, exitOK, []string{"LB_BALANCE  (round_robin|"}, nil},
		{"help of an unknown setting", []string{"help", "LB_BALANCES"}, nil, exitUsage, nil, []string{"did you mean LB_BALANCE?"}},
		{"bad settings in JSON", nil, []string{"LB_LOG_FORMAT=json", "LB_RETRIES=x", good}, exitUsage, nil, []string{
			`"level":"ERROR","msg":"bad setting","err":"LB_RETRIES=\"x\": expected a whole number from 0 to 16"}` + "\n"}},
		{"healthcheck with an argument", []string{"healthcheck", "now"}, nil, exitUsage, nil, []string{`"now"`}},
		{"healthcheck beside bad settings", []string{"healthcheck"}, []string{"LB_RETRIES=x", "LB_ADMIN_LISTEN=off"}, exitFailure, nil, []string{"LB_ADMIN_LISTEN is off"}},
		{"healthcheck of nothing", []string{"healthcheck"}, []string{good, "LB_ADMIN_LISTEN=off"}, exitFailure, nil, []string{"LB_ADMIN_LISTEN is off"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := finished(t, tt.settings, tt.args...)
			p.wantExit(tt.code)
			wantTexts(t, "standard output", p.stdout.String(), tt.stdout)
			wantTexts(t, "standard error", p.stderr.String(), tt.stderr)
		})
	}
}

// wantTexts wants all of these texts in the output, or no output.
func wantTexts(t *testing.T, where, output string, want []string) {
	t.Helper()
	if len(want) == 0 && output != "" {
		t.Errorf("%s: got %q, want nothing", where, output)
	}
	for _, text := range want {
		if !strings.Contains(output, text) {
			t.Errorf("%s: got %q, want %q in it", where, output, text)
		}
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	for _, name := range []string{"LB_L4_LISTEN", "LB_L7_LISTEN", "LB_ADMIN_LISTEN"} {
		setting := name + "=" + ln.Addr().String()
		p := finished(t, quick("LB_BACKENDS=127.0.0.1:1", setting))
		p.wantExit(exitFailure)
		wantTexts(t, "standard error", p.stderr.String(), []string{setting, "address already in use"})
		inJSON := finished(t, quick("LB_BACKENDS=127.0.0.1:1", setting, "LB_LOG_FORMAT=json"))
		inJSON.wantExit(exitFailure)
		wantTexts(t, "standard error in JSON", inJSON.stderr.String(), []string{`"level":"ERROR","msg":"failed","err":"` + setting})
		if p.outputCount("panic") > 0 || p.outputCount("msg=listening") > 0 {
			t.Errorf("%s: %s", name, p.output())
		}
	}
}

// TestStartLog pins what the log says until the program serves: in few lines, and
// each thing once.
func TestStartLog(t *testing.T) {
	t.Parallel()
	up, dead := startBackends(t, 1)[0].addr, testkit.ReserveAddr(t)
	lb := serve(t, "LB_BACKENDS="+up+","+dead, "LB_BALANCE=least_conn", "LB_MAX_CONNS=100", "LB_DNS_INTERVAL=1s")
	want := []string{
		`msg=starting version=\S+ processors=\d+ backends=2 balance=least_conn retries=2 health_check=auto interval=1s access_log=off`,
		`msg="setting has no effect" setting=LB_DNS_INTERVAL why="LB_BACKENDS has addresses alone, and no names"`,
		`msg="setting may not be meant" setting=LB_HEALTH_TIMEOUT why="2s is above LB_HEALTH_INTERVAL=1s: .* up for as long as 5.2s"`,
		`msg="connection limit" limit=100 derived_from=LB_MAX_CONNS descriptors=\d+ memory_mib=\d+`,
		`msg="backend down" backend=` + dead + ` latency=\S+ err="dial .* connection refused"`,
		`msg="healthy set" up=1 of=2 backends=` + up,
		`msg=listening frontend=l4 addr=` + lb.l4,
		`msg=listening frontend=l7 addr=` + lb.l7,
		`msg=listening frontend=admin addr=` + lb.admin,
	}
	pattern := `^(time=\S+ level=(INFO|WARN) ` + strings.Join(want, "\n)(time=\\S+ level=(INFO|WARN) ") + "\n)$"
	if got := lb.output(); !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("got:\n%swant:\n%s", got, strings.Join(want, "\n"))
	}
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	lb := serve(t, "LB_BACKENDS="+testkit.ReserveAddr(t)) // the process lives although no backend does
	settings := []string{"LB_BACKENDS=127.0.0.1:1", "LB_ADMIN_LISTEN=" + lb.admin}
	finished(t, settings, "healthcheck").wantExit(exitOK)
	ready := finished(t, settings, "healthcheck", "--ready")
	ready.wantExit(exitFailure)
	wantTexts(t, "standard error", ready.stderr.String(), []string{"status 503: no backend is up"})
	lb.stop()
	p := finished(t, settings, "healthcheck")
	p.wantExit(exitFailure)
	wantTexts(t, "standard error", p.stderr.String(), []string{lb.admin, "connection refused"})
}

// The program's exit codes, as the README has them.
const (
	exitOK      = 0
	exitFailure = 1 // something failed while running
	exitUsage   = 2 // bad settings or arguments
)
