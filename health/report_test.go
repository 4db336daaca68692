package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Pins that a backend which comes and goes with every probe does not fill the log,
// and that in the end the log says what it is, and how often it had changed.
func TestFlappingBackendIsToldOfNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		p := NewPool(backends(1)...)
		logTo(p, &buf)
		bad := errors.New("status 500")
		const minutes, perMinute = 5, 600
		p.record(1, 1, probed(p, 0, nil))
		for i := range minutes * perMinute {
			time.Sleep(time.Minute / perMinute) // in the bubble
			p.record(1, 1, probed(p, 0, []error{bad, nil}[i%2]))
		}
		lines := strings.Count(buf.String(), "\n")
		if most := 2 * maxLines * (minutes + 1); lines > most || lines < minutes {
			t.Errorf("%d lines in %d minutes, want at most %d", lines, minutes, most)
		}
		p.record(1, 1, probed(p, 0, bad))
		time.Sleep(linePeriod)
		buf.Reset()
		p.record(1, 1, probed(p, 0, bad)) // no change, but there is something to tell
		p.record(1, 1, probed(p, 0, bad))
		if got := buf.String(); strings.Count(got, "\n") != 2 ||
			!strings.Contains(got, `msg="backend down" backend=a:1 latency=0s changes=`) || !strings.Contains(got, `msg="healthy set" up=0 of=1`) {
			t.Errorf("in the end: %q", got)
		}
		if got := p.Backends()[0].Changes(); got != minutes*perMinute+1 {
			t.Errorf("%d changes were counted, want %d", got, minutes*perMinute+1)
		}
	})
}

// Pins that this machine's failures, which come and go as well, are as few lines.
func TestFlappingLocalFailureIsToldOfNowAndThen(t *testing.T) {
	var buf bytes.Buffer
	p := upPool(t, 1)
	logTo(p, &buf)
	local := &DialError{Addr: "a:1", Reason: NoFD, Err: errors.New("too many open files")}
	for i := range 1000 {
		p.record(1, 1, probed(p, 0, []error{local, nil}[i%2]))
	}
	if n := strings.Count(buf.String(), "\n"); n > maxLines || n == 0 {
		t.Errorf("%d lines, want at most %d:\n%s", n, maxLines, &buf)
	}
}

// Pins that a backend cannot write at length into the log by what it answers.
func TestHostileAnswerIsCutOff(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, strings.Repeat("x", 1<<20)+"\r\n\r\n")
	}()
	p := NewPool(NewBackend(ln.Addr().String()))
	c := &Checker{Pool: p, Probe: httpProbe("/", func(int) bool { return true }, Via{}), Timeout: 5 * time.Second}
	c.CheckAll(t.Context())
	s := p.Backends()[0].Status()
	if s.State != Down || s.Err == nil || len(s.Err.Error()) > maxCause+len("...") {
		t.Errorf("%s, %.1000v", s.State, s.Err)
	}
}

func TestBriefKeepsTheCause(t *testing.T) {
	long := fmt.Errorf("%s: %w", strings.Repeat("x", 2*maxCause), context.DeadlineExceeded)
	if got := brief(long); !errors.Is(got, context.DeadlineExceeded) || len(got.Error()) != maxCause+3 {
		t.Errorf("got %v", got)
	}
	if short := errors.New("short"); brief(short) != short || brief(nil) != nil {
		t.Error("short errors do not stay what they are")
	}
}

// Pins the levels: an outage had been information, which LB_LOG_LEVEL=warn hides.
func TestLevelsOfChanges(t *testing.T) {
	var buf bytes.Buffer
	p := upPool(t, 1, 1)
	logTo(p, &buf)
	bad := errors.New("status 500")
	steps := []struct {
		backend int
		err     error
		want    string // level and message of each line
	}{
		{0, bad, "WARN backend down, INFO healthy set"},
		{1, bad, "ERROR backend down, ERROR healthy set"},
		{1, nil, "INFO backend up, INFO healthy set"},
	}
	for i, s := range steps {
		buf.Reset()
		p.record(1, 1, probed(p, s.backend, s.err))
		if got := levels(buf.String()); got != s.want {
			t.Errorf("step %d: %s, want %s", i, got, s.want)
		}
	}
	buf.Reset()
	p.SetMode(p.Backends()[1], ModeDown)
	if got := levels(buf.String()); got != "INFO backend mode, ERROR healthy set" {
		t.Errorf("the last one, by the operator: %s", got)
	}
}

// Pins that backends which have not been probed are no outage: each start with dns:// and
// each reload to another list had logged an empty healthy set as an error.
func TestUnprobedBackendsAreNoOutage(t *testing.T) {
	var buf bytes.Buffer
	p := NewPool()
	logTo(p, &buf)
	bad := errors.New("status 500")
	steps := []struct {
		name string
		do   func()
		want string // level and message of each line
	}{
		{"the first lookup", func() { p.Replace([]Spec{{Addr: "a:1"}}) }, "INFO backends changed"},
		{"its probe", func() { p.record(1, 1, probed(p, 0, nil)) }, "INFO healthy set"},
		{"a reload", func() { p.Replace([]Spec{{Addr: "b:1"}, {Addr: "c:1"}}) }, "INFO backends changed"},
		{"one is down", func() { p.record(1, 1, probed(p, 0, bad)) }, "WARN backend down"},
		{"both are down", func() { p.record(1, 1, probed(p, 1, bad)) }, "ERROR backend down, ERROR healthy set"},
		{"the next lookup", func() { p.Replace([]Spec{{Addr: "d:1"}}) }, "INFO backends changed"},
		{"the start", p.started, "ERROR healthy set"},
	}
	for _, s := range steps {
		buf.Reset()
		s.do()
		if got := levels(buf.String()); got != s.want {
			t.Errorf("%s: %s, want %s", s.name, got, s.want)
		}
	}
}

// levels returns each line's level and message.
func levels(log string) string {
	var all []string
	for _, m := range regexp.MustCompile(`level=(\w+) msg="([^"]*)"`).FindAllStringSubmatch(log, -1) {
		all = append(all, m[1]+" "+m[2])
	}
	return strings.Join(all, ", ")
}
