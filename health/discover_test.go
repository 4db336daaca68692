package health

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"fourseven/internal/testkit"

	"github.com/miekg/dns"
)

// safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func parseEntries(t *testing.T, list string) []Entry {
	t.Helper()
	var all []Entry
	for text := range strings.SplitSeq(list, ",") {
		e, err := ParseEntry(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// discovery is a discoverer in front of a zone, which looks up again and again until the
// test ends. Its pool has no probes.
type discovery struct {
	*Discoverer
	t    *testing.T
	zone *zone
	log  *safeBuffer
}

func discover(t *testing.T, z *zone, list string) *discovery {
	t.Helper()
	log := &safeBuffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	d := &discovery{t: t, zone: z, log: log, Discoverer: &Discoverer{
		Pool: NewPool(), Server: z.addr, Interval: 20 * time.Millisecond, Logger: logger,
	}}
	logTo(d.Pool, log)
	d.Pool.MarkAllUp()
	ctx, cancel := context.WithCancel(t.Context())
	donec := make(chan struct{})
	go func() { _ = d.Run(ctx); close(donec) }()
	t.Cleanup(func() { cancel(); <-donec })
	d.Discoverer.Replace(t.Context(), parseEntries(t, list))
	return d
}

// list returns the pool's backends as entries.
func (d *discovery) list() string {
	var all []string
	for _, b := range d.Pool.Backends() {
		all = append(all, b.String())
	}
	return strings.Join(all, ",")
}

func (d *discovery) want(want string) {
	d.t.Helper()
	d.await(want, func() bool { return d.list() == want })
}

func (d *discovery) await(what string, ok func() bool) {
	d.t.Helper()
	deadline := time.Now().Add(testkit.Patience)
	for !ok() {
		if time.Now().After(deadline) {
			d.t.Fatalf("got %q, want %q; log:\n%s", d.list(), what, d.log)
		}
		sleep(d.t.Context(), time.Millisecond)
	}
}

// awaitLookups waits for n more lookups with that result.
func (d *discovery) awaitLookups(r LookupResult, n uint64) {
	d.t.Helper()
	n += d.Lookups(r)
	d.await(fmt.Sprintf("%d lookups with the result %s", n, r), func() bool { return d.Lookups(r) >= n })
}

// Pins the life of a name: it begins unresolved, its addresses come and go, and
// failures of any kind keep the last good answer and make one line each.
func TestDiscoverHost(t *testing.T) {
	z := startZone(t)
	d := discover(t, z, "10.0.0.9:1,dns://web.test:80;max_conns=10")
	if got := d.list(); got != "10.0.0.9:1" {
		t.Fatalf("unresolved: %q", got)
	}
	z.between(t, "web.test.", func() {
		z.setLocked(t, "web.test. A 10.0.0.2", "web.test. A 10.0.0.1", "web.test. AAAA fd00::1")
	})
	const all = "10.0.0.9:1,10.0.0.1:80;max_conns=10,10.0.0.2:80;max_conns=10,[fd00::1]:80;max_conns=10"
	d.want(all)
	d.awaitLookups(LookupOK, 2) // the change is logged after it is made, and before the next lookup
	kept, changes := d.Pool.Backends()[2], strings.Count(d.log.String(), "backends changed")

	z.between(t, "web.test.", func() { z.rcodes["web.test."] = dns.RcodeServerFailure })
	d.awaitLookups(LookupError, 3)
	z.between(t, "web.test.", func() { z.rcodes["web.test."] = dns.RcodeNameError })
	d.awaitLookups(LookupNotFound, 3)
	if got := d.list(); got != all || strings.Count(d.log.String(), "backends changed") != changes {
		t.Errorf("after failures: %q", got)
	}
	z.between(t, "web.test.", func() {
		z.rcodes["web.test."] = 0
		z.setLocked(t, "web.test. A 10.0.0.2", "web.test. A 10.0.0.3")
	})
	d.want("10.0.0.9:1,10.0.0.2:80;max_conns=10,10.0.0.3:80;max_conns=10")
	if d.Pool.Backends()[1] != kept {
		t.Error("10.0.0.2 stayed and is another backend")
	}
	d.awaitLookups(LookupOK, 3)
	for want, n := range map[string]int{
		`level=WARN msg="lookup failed" name=dns://web.test:80 result=not_found kept=0`: 1,
		`level=WARN msg="lookup failed" name=dns://web.test:80 result=not_found kept=3`: 1,
		`level=WARN msg="lookup failed" name=dns://web.test:80 result=error kept=3`:     1,
		`msg="lookup recovered" name=dns://web.test:80`:                                 2,
		`err="lookup web.test on ` + z.addr + `: server misbehaving"`:                   1, // package net names another server
	} {
		if got := strings.Count(d.log.String(), want); got != n {
			t.Errorf("%q stands %d times, want %d, in:\n%s", want, got, n, d.log)
		}
	}
}

// Pins that one family's failure does not cost its addresses, while a family that
// the host no longer has loses them.
func TestDiscoverKeepsTheFamilyThatFails(t *testing.T) {
	z := startZone(t)
	z.set(t, "web.test. A 10.0.0.1", "web.test. AAAA fd00::1")
	d := discover(t, z, "dns://web.test:80")
	z.fail("web.test.AAAA", dns.RcodeServerFailure)
	z.set(t, "web.test. A 10.0.0.2", "web.test. AAAA fd00::2")
	d.want("10.0.0.2:80,[fd00::1]:80")
	z.fail("web.test.AAAA", 0)
	z.set(t, "web.test. A 10.0.0.2")
	d.want("10.0.0.2:80")
}

// Pins that a server that does not answer keeps the last answer, and that a name
// is asked for once at a time however long the answer takes.
func TestDiscoverOneLookupAtATime(t *testing.T) {
	z := startZone(t)
	z.set(t, "web.test. A 10.0.0.1")
	d := discover(t, z, "dns://web.test:80")
	before := z.questions("web.test.A")
	holdc := make(chan struct{})
	z.change(func() { z.holdc = holdc })
	d.await("a question", func() bool { return z.questions("web.test.A") > before })
	sleep(t.Context(), 200*time.Millisecond) // ten intervals
	if n := z.questions("web.test.A") - before; n != 1 {
		t.Errorf("%d questions under way, want 1", n)
	}
	z.change(func() { z.holdc = nil })
	close(holdc)
	d.awaitLookups(LookupOK, 2)
}

func TestDiscoverSilentServer(t *testing.T) {
	z := startZone(t)
	z.set(t, "web.test. A 10.0.0.1")
	d := discover(t, z, "dns://web.test:80")
	z.change(func() { z.silent = true })
	d.awaitLookups(LookupTimeout, 1)
	if got := d.list(); got != "10.0.0.1:80" {
		t.Errorf("%q after a lookup that timed out", got)
	}
	z.change(func() { z.silent = false })
	z.set(t, "web.test. A 10.0.0.2")
	d.want("10.0.0.2:80")
}

// Pins what becomes of SRV records: ports, weights, the lowest priority first and
// the others as backups, whatever order the resolver shuffles them into.
func TestDiscoverService(t *testing.T) {
	z := startZone(t)
	records := []string{
		"_pg._tcp.db.test. SRV 10 20 5432 one.test.",
		"_pg._tcp.db.test. SRV 10 60 5433 two.test.",
		"_pg._tcp.db.test. SRV 20 7 5432 three.test.",
		"one.test. A 10.0.0.1", "one.test. AAAA fd00::1", "two.test. A 10.0.0.2", "three.test. A 10.0.0.3",
	}
	z.set(t, records...)
	d := discover(t, z, "srv://_pg._tcp.db.test;max_conns=5")
	const all = "10.0.0.1:5432;weight=20;max_conns=5,[fd00::1]:5432;weight=20;max_conns=5," +
		"10.0.0.2:5433;weight=60;max_conns=5,10.0.0.3:5432;weight=7;max_conns=5;backup"
	d.want(all)
	changes := strings.Count(d.log.String(), `msg="backends changed"`)
	z.fail("two.test.", dns.RcodeServerFailure)
	d.awaitLookups(LookupOK, 3)
	if got := d.list(); got != all {
		t.Errorf("one target fails: %q", got)
	}
	z.fail("_pg._tcp.db.test.", dns.RcodeServerFailure)
	d.awaitLookups(LookupError, 3)
	if got := d.list(); got != all {
		t.Errorf("the service fails: %q", got)
	}
	z.fail("_pg._tcp.db.test.", 0)
	z.set(t, records[2:]...) // the first priority has gone
	d.want("10.0.0.3:5432;max_conns=5")
	d.awaitLookups(LookupOK, 3)
	if strings.Count(d.log.String(), `msg="backends changed"`) != changes+1 { // the line comes after the change
		t.Errorf("not one change in:\n%s", d.log)
	}
}

func TestSRVWeights(t *testing.T) {
	for _, tt := range []struct {
		records string
		want    string
	}{
		{"1", "[1]"},
		{"0 0", "[1 1]"},
		{"10 10 10", "[1 1 1]"},
		{"10 30", "[1 3]"},
		{"65535 1", "[256 1]"},
		{"60000 30000 6", "[256 128 1]"},
		{"0 1", "[1 64]"},
		{"0 10 10", "[1 256 256]"},
	} {
		z := startZone(t)
		records := []string{}
		for i, w := range strings.Fields(tt.records) {
			records = append(records, fmt.Sprintf("_a._tcp.test. SRV 1 %s 80 h%d.test.", w, i), fmt.Sprintf("h%d.test. A 10.0.0.%d", i, i))
		}
		z.set(t, records...)
		var got []int
		for _, b := range discover(t, z, "srv://_a._tcp.test").Pool.Backends() {
			got = append(got, b.Spec().Weight)
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("weights %s: %v, want %s", tt.records, got, tt.want)
		}
		for _, b := range discover(t, z, "srv://_a._tcp.test;weight=2").Pool.Backends() {
			if w := b.Spec().Weight; w != 2 {
				t.Errorf("the entry's weight is 2, got %d", w)
			}
		}
	}
}

// Pins that answers too long for UDP come whole: 200 addresses.
func TestDiscoverLongAnswer(t *testing.T) {
	z := startZone(t)
	var records []string
	for i := range 200 {
		records = append(records, fmt.Sprintf("many.test. A 10.0.1.%d", i))
	}
	z.set(t, records...)
	z.change(func() { z.truncate = true })
	if n := len(discover(t, z, "dns://many.test:80").Pool.Backends()); n != 200 {
		t.Errorf("%d backends of 200", n)
	}
}

// Pins that a new list keeps the answers of names that stay, also while they
// cannot be looked up, and the options are the new ones.
func TestDiscoverReplaceList(t *testing.T) {
	z := startZone(t)
	z.set(t, "a.test. A 10.0.0.1", "b.test. A 10.0.0.2")
	d := discover(t, z, "dns://a.test:80,10.0.0.2:80;weight=3")
	z.fail("a.test.", dns.RcodeServerFailure)
	d.Replace(t.Context(), parseEntries(t, "dns://b.test:80,dns://a.test:80;backup"))
	if got, want := d.list(), "10.0.0.2:80,10.0.0.1:80;backup"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	z.set(t, "b.test. A 10.0.0.5")
	d.want("10.0.0.5:80,10.0.0.1:80;backup")
}

func TestParseEntry(t *testing.T) {
	for _, tt := range []struct{ in, want, err string }{
		{"db1:5432;weight=3", "db1:5432;weight=3", ""},
		{"http://db1:80/", "db1:80", ""},
		{"dns://web:80", "dns://web:80", ""},
		{" dns://web:80 ; max_conns=10 ;backup", "dns://web:80;max_conns=10;backup", ""},
		{"srv://_pg._tcp.db.example;weight=1", "srv://_pg._tcp.db.example;weight=1", ""},
		{"srv://web.service.consul", "srv://web.service.consul", ""},
		{"dns://web", "", "expected dns://name:port, with a port from 1 to 65535"},
		{"dns://web:0", "", "expected dns://name:port, with a port from 1 to 65535"},
		{"dns://:80", "", "expected dns://name:port, with a port from 1 to 65535"},
		{"dns://http://web:80", "", "expected dns://name:port, with a port from 1 to 65535"},
		{"srv://", "", "expected srv://_service._proto.name, without a port"},
		{"srv://_pg._tcp.db:5432", "", "expected srv://_service._proto.name, without a port"},
		{"dns://web:80;wieght=2", "", `unknown option "wieght", expected weight=N, max_conns=N, check=PORT or backup`},
		{"consul://web", "", `unknown scheme "consul", expected http://, https://, tcp://, tls://, dns:// or srv://, or none`},
	} {
		e, err := ParseEntry(tt.in)
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s: error %v, want %q", tt.in, err, tt.err)
			}
			continue
		}
		if err != nil || e.String() != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.in, e, err, tt.want)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add("dns://web:80;max_conns=10")
	f.Add("srv://_pg._tcp.db.example;weight=1;backup")
	f.Add("db1:5432;weight=3")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseEntry(s)
		if err != nil {
			return
		}
		again, err := ParseEntry(e.String())
		if err != nil || again.String() != e.String() || again.FromDNS() != e.FromDNS() {
			t.Errorf("%q parses to %q, which does not parse to itself: %v", s, e, err)
		}
	})
}
