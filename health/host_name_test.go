package health

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fourseven/internal/testkit"

	"github.com/miekg/dns"
)

// namedBackend returns a backend whose name has these addresses.
func namedBackend(name string, addrs ...string) *Backend {
	return Spec{Addr: name, addrs: append([]string{}, addrs...)}.Backend()
}

// dialled returns what a dial of the backend tries.
func (d *discovery) dialled(i int) string {
	return strings.Join(*d.Pool.Backends()[i].dialled.Load(), ",")
}

// wantDialled waits until dials of the first backend try these addresses.
func (d *discovery) wantDialled(want string) {
	d.t.Helper()
	d.await(want, func() bool { return d.dialled(0) == want })
}

// Pins that a host name in the list is one backend, whose addresses are looked up apart
// from probes and dials: each probe and each dial looked it up, and took a failure of the
// name server for the backend's.
func TestHostNameKeepsItsAddresses(t *testing.T) {
	z := startZone(t)
	z.set(t, "db.test. A 10.0.0.2", "db.test. A 10.0.0.1", "db.test. AAAA fd00::1")
	d := discover(t, z, "db.test:5432;weight=3")
	const all = "10.0.0.1:5432,10.0.0.2:5432,[fd00::1]:5432"
	d.wantDialled(all)
	b := d.Pool.Backends()[0]
	for result, fail := range map[LookupResult]func(){
		LookupError:    func() { z.fail("db.test.", dns.RcodeServerFailure) },
		LookupNotFound: func() { z.fail("db.test.", dns.RcodeNameError) },
		LookupTimeout:  func() { z.change(func() { z.silent = true }) },
	} {
		fail()
		d.awaitLookups(result, 2)
		if got := d.dialled(0); got != all || !b.Up() || next(t, d.Pool) == "" {
			t.Errorf("%s: dials try %q, up %t", result, got, b.Up())
		}
		z.fail("db.test.", 0)
		z.change(func() { z.silent = false })
		d.awaitLookups(LookupOK, 2)
	}
	z.set(t, "db.test. A 10.0.0.3")
	d.wantDialled("10.0.0.3:5432")
	if d.Pool.Backends()[0] != b || d.list() != "db.test:5432;weight=3" {
		t.Errorf("the backend is another: %s", d.list())
	}
	d.await("a line", func() bool { // the families may change one after the other
		return strings.Contains(d.log.String(), `msg="addresses changed" name=db.test:5432 addresses=10.0.0.3:5432 was=`)
	})
}

// Pins that a probe looks nothing up: with a silent name server each failed.
func TestProbeLooksNothingUp(t *testing.T) {
	ln := listen(t)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	z := startZone(t)
	z.set(t, "db.test. A 127.0.0.1")
	d := discover(t, z, "db.test:"+port)
	z.change(func() { z.silent = true })
	if err := TCPProbe(Via{})(t.Context(), d.Pool.Backends()[0]); err != nil {
		t.Error(err)
	}
	unknown := namedBackend("other.test:" + port)
	err := TCPProbe(Via{})(t.Context(), unknown)
	if !errors.Is(err, errUnresolved) || checkResult(err) != CheckFailed || z.questions("other.test.A") > 0 {
		t.Errorf("a name without an address: %v", err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// Pins that a name without an address is down until it has one, with probes off and on,
// and takes its first turns at once then.
func TestHostNameIsDownUntilItResolves(t *testing.T) {
	z := startZone(t)
	d := discover(t, z, "db.test:5432,10.0.0.9:1")
	b := d.Pool.Backends()[0]
	if b.Up() || !errors.Is(b.Status().Err, errUnresolved) || next(t, d.Pool)+next(t, d.Pool) != "11" {
		t.Errorf("%s, %v: want it to be down", b.Status().State, b.Status().Err)
	}
	z.set(t, "db.test. A 10.0.0.1")
	d.await("db.test to be up", b.Up)

	probed := NewPool(namedBackend("db.test:5432"))
	probed.record(1, 1, result{backend: probed.Backends()[0], err: errUnresolved})
	probed.Replace([]Spec{{Addr: "db.test:5432", addrs: []string{"10.0.0.1:5432"}}})
	if len(probed.Backends()[0].suspectc) != 1 {
		t.Error("no probe was asked for when the first address came")
	}
}

// Pins that the pool keeps the backends that it began with until their names have been
// looked up: an answer for one name took all out.
func TestFirstAnswersTakeNothingOut(t *testing.T) {
	z := startZone(t)
	z.set(t, "a.test. A 10.0.0.1", "b.test. A 10.0.0.2")
	z.change(func() { z.dropped["b.test."] = true })
	p := newPool(t, "a.test:1,b.test:1")
	d := &Discoverer{Pool: p, Server: z.addr, Interval: 20 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	donec := make(chan struct{}, 2)
	go func() { _ = d.Run(ctx); donec <- struct{}{} }()
	go func() { d.Replace(ctx, parseEntries(t, "a.test:1,b.test:1")); donec <- struct{}{} }()
	testkit.Eventually(t, "answers for one name", func() bool { return d.Lookups(LookupOK) > 1 })
	if n := len(p.Backends()); n != 2 {
		t.Errorf("%d backends, want 2", n)
	}
	cancel()
	<-donec
	<-donec
}

// Pins that a new list whose names cannot be looked up takes no traffic from the backends
// of the old one, and that names which stay keep their addresses.
func TestReplaceByUnresolvedNames(t *testing.T) {
	z := startZone(t)
	z.set(t, "old.test. A 10.0.0.1", "both.test. A 10.0.0.2")
	d := discover(t, z, "old.test:1,both.test:1")
	z.set(t)
	d.Replace(t.Context(), parseEntries(t, "both.test:1;weight=2,new.test:1"))
	if got := d.dialled(0) + " " + d.dialled(1); got != "10.0.0.2:1 " || d.Pool.Backends()[1].Up() {
		t.Errorf("dials try %q, want the kept address alone", got)
	}
	d.Replace(t.Context(), parseEntries(t, "new.test:1"))
	if got := next(t, d.Pool); got != "b" && got != "o" {
		t.Errorf("got %q, want a backend that left until new.test has an address", got)
	}
	probed := newPool(t, "10.0.0.1:1")
	probed.record(1, 1, result{backend: probed.Backends()[0]})
	probed.Replace([]Spec{{Addr: "new.test:1", addrs: []string{}}})
	probed.record(1, 1, result{backend: probed.Backends()[0], err: errUnresolved})
	if got := next(t, probed); got != "1" {
		t.Errorf("with probes: got %q, want the backend that left", got)
	}
	z.set(t, "new.test. A 10.0.0.3")
	d.await("new.test to have the traffic", func() bool { return next(t, d.Pool) == "n" })
}

// Pins that questions for AAAA without a response neither cost nor delay the addresses of
// A, for each form of a name, and that an answer that comes late is used.
func TestDroppedAAAA(t *testing.T) {
	z := startZone(t)
	z.set(t, "db.test. A 10.0.0.1", "db.test. AAAA fd00::1", "_db._tcp.test. SRV 1 1 5432 db.test.")
	z.change(func() { z.dropped["db.test.AAAA"] = true })
	for _, entry := range []string{"db.test:5432", "dns://db.test:5432", "srv://_db._tcp.test"} {
		began := time.Now()
		d := discover(t, z, entry)
		if took := time.Since(began); took > patience {
			t.Errorf("%s: the first answer took %s", entry, took)
		}
		if got := d.dialled(0); got != "10.0.0.1:5432" {
			t.Errorf("%s: %q", entry, got)
		}
		z.set(t, "db.test. A 10.0.0.2", "db.test. AAAA fd00::1", "_db._tcp.test. SRV 1 1 5432 db.test.")
		began = time.Now()
		d.wantDialled("10.0.0.2:5432")
		if took := time.Since(began); took > patience {
			t.Errorf("%s: another answer took %s", entry, took)
		}
		z.set(t, "db.test. A 10.0.0.1", "db.test. AAAA fd00::1", "_db._tcp.test. SRV 1 1 5432 db.test.")
	}
	d := discover(t, z, "db.test:5432")
	z.change(func() { clear(z.dropped) }) // the lookup that is under way asks again
	d.wantDialled("10.0.0.1:5432,[fd00::1]:5432")
}

// Pins that a name server that refuses EDNS in any way, or drops it, is asked without.
func TestServerWithoutEDNS(t *testing.T) {
	for name, rcode := range map[string]int{
		"FORMERR": dns.RcodeFormatError, "NOTIMP": dns.RcodeNotImplemented, "SERVFAIL": dns.RcodeServerFailure,
		"REFUSED": dns.RcodeRefused, "BADVERS": dns.RcodeBadVers, "silence": -1,
	} {
		z := startZone(t)
		z.set(t, "db.test. A 10.0.0.1")
		z.change(func() { z.extended = rcode })
		began := time.Now()
		d := discover(t, z, "db.test:1")
		if got := d.dialled(0); got != "10.0.0.1:1" {
			t.Errorf("%s: %q after %s", name, got, time.Since(began))
		}
	}
}

// Pins that the DNS server to ask may have a name itself, which the system looks up.
func TestServerHasAName(t *testing.T) {
	z := startZone(t)
	z.set(t, "db.test. A 10.0.0.1")
	_, port, _ := net.SplitHostPort(z.addr)
	found, err := NewResolver("localhost:"+port).LookupNetIP(t.Context(), "ip4", "db.test.")
	if err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

// Pins that a first name server that is silent costs two seconds, and less from then on:
// all the time of a lookup was spent on it.
func TestFirstServerIsSilent(t *testing.T) {
	dead, z := startZone(t), startZone(t)
	dead.change(func() { dead.silent = true })
	z.set(t, "db.test. A 10.0.0.1")
	r := NewResolver("")
	ask, attempts := r.Dial, 0
	r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		attempts++
		if attempts%2 == 1 {
			return ask(ctx, network, dead.addr)
		}
		return ask(ctx, network, z.addr)
	}
	for _, limit := range []time.Duration{firstAnswer, 2 * time.Second} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		found, err := r.LookupNetIP(ctx, "ip4", "db.test.")
		if err != nil || len(found) != 1 || attempts%2 != 0 {
			t.Fatalf("%v, %v after %d attempts", found, err, attempts)
		}
	}
}

// Pins that addresses which cannot be a backend's are left out and named: 0.0.0.0 dials
// this host.
func TestUnfitAddresses(t *testing.T) {
	z := startZone(t)
	z.set(t, "db.test. A 0.0.0.0", "db.test. A 255.255.255.255", "db.test. A 224.0.0.1", "db.test. A 10.0.0.1",
		"db.test. AAAA ::", "db.test. AAAA ff02::1", "db.test. AAAA fd00::1", "db.test. AAAA ::ffff:0.0.0.0",
		"_db._tcp.test. SRV 1 1 0 db.test.", "_db._tcp.test. SRV 1 1 5432 db.test.",
		"sunk.test. A 0.0.0.0")
	for entry, want := range map[string]string{
		"db.test:5432":        "db.test:5432",
		"dns://db.test:5432":  "10.0.0.1:5432,[fd00::1]:5432",
		"srv://_db._tcp.test": "10.0.0.1:5432,[fd00::1]:5432",
	} {
		d := discover(t, z, entry)
		d.want(want)
		d.await("both families", func() bool {
			return strings.Contains(d.log.String(), `level=WARN msg="no backend can have these addresses, they are left out"`) &&
				strings.Contains(d.log.String(), "0.0.0.0:5432,224.0.0.1:5432,255.255.255.255:5432")
		})
		if strings.HasPrefix(entry, "srv") && !strings.Contains(d.log.String(), "db.test:0") {
			t.Errorf("port 0 is not named in:\n%s", d.log)
		}
		if entry == want {
			d.wantDialled("10.0.0.1:5432,[fd00::1]:5432")
		}
	}
	d := discover(t, z, "db.test:1,sunk.test:1,dns://sunk.test:2")
	if got := d.dialled(1); got != "" || len(d.Pool.Backends()) != 2 {
		t.Errorf("sunk.test: dials try %q, backends %s", got, d.list())
	}
	d.await("the reason", func() bool {
		return strings.Contains(d.log.String(), `name=sunk.test:1 result=error kept=0 err="no backend can have the addresses [0.0.0.0]"`)
	})
}

// Pins that a name that leads to this process is not used, and is an error in the log.
func TestOwnAddresses(t *testing.T) {
	z := startZone(t)
	z.set(t, "db.test. A 10.0.0.1", "db.test. A 10.0.0.2")
	d := discover(t, z, "10.0.0.9:1")
	d.Own = func(a netip.AddrPort) bool { return a.String() == "10.0.0.1:9000" }
	d.Replace(t.Context(), parseEntries(t, "db.test:9000,dns://db.test:9000,dns://db.test:9001"))
	d.want("db.test:9000,10.0.0.2:9000,10.0.0.1:9001,10.0.0.2:9001")
	d.wantDialled("10.0.0.2:9000")
	if n := strings.Count(d.log.String(), `level=ERROR msg="these addresses are this process's own listeners, they are left out" name=db.test:9000 addresses=10.0.0.1:9000`); n != 1 {
		t.Errorf("named %d times in:\n%s", n, d.log)
	}
}

// Pins that a dial tries a name's addresses in their order, but first the one that the
// last good probe reached, and each for its part of the time.
func TestDialTriesEachAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := namedBackend("db.test:1", "a:1", "b:1", "c:1")
		var tried []string
		began := time.Now()
		dial := func(ctx context.Context, _, addr string) (net.Conn, error) {
			tried = append(tried, addr)
			switch addr {
			case "a:1":
				<-ctx.Done()
				return nil, ctx.Err()
			case "b:1":
				return nil, syscall.ECONNREFUSED
			}
			client, server := net.Pipe()
			_ = server.Close()
			return client, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		conn, err := b.Dial(ctx, dial)
		if err != nil || strings.Join(tried, ",") != "a:1,b:1,c:1" || time.Since(began) != time.Second {
			t.Fatalf("tried %s for %s: %v", tried, time.Since(began), err)
		}
		_ = conn.Close()
		tried = nil
		reached := "c:1"
		b.reached.Store(&reached)
		if conn, err = b.Dial(ctx, dial); err != nil || strings.Join(tried, ",") != "c:1" {
			t.Fatalf("tried %s: %v", tried, err)
		}
		_ = conn.Close()
		_, err = namedBackend("db.test:1", "b:1", "b:1").Dial(ctx, dial)
		if reasonOf(err) != Refused || err.Error() != "b:1: connection refused" {
			t.Errorf("error %v", err)
		}
		tried = nil
		full := func(_ context.Context, _, addr string) (net.Conn, error) {
			tried = append(tried, addr)
			return nil, syscall.EMFILE
		}
		if _, err = b.Dial(ctx, full); reasonOf(err) != NoFD || len(tried) != 1 {
			t.Errorf("without descriptors: tried %s: %v", tried, err)
		}
	})
}

// Pins that a probe keeps the address that it reached for the dials of traffic, also with
// a port of its own.
func TestProbeKeepsTheAddressThatItReached(t *testing.T) {
	port := netPort(t, listen(t).Addr().String())
	b := namedBackend("db.test:7", "[::1]:7", "127.0.0.1:7") // IPv4 alone is listened on
	if err := TCPProbe(Via{Port: port})(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := b.reached.Load(); got == nil || *got != "127.0.0.1:7" {
		t.Errorf("reached %v", got)
	}
}

// Pins that a name in a check is looked up as a backend's is: apart from probes, which
// go by the last good answer.
func TestNameOfCheck(t *testing.T) {
	ln := listen(t)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	z := startZone(t)
	z.set(t, "agent.test. A 127.0.0.1")
	d := discover(t, z, "127.0.0.1:1;check=agent.test:"+port+",agent.test:"+port)
	d.await("both", func() bool { return len(d.Pool.Backends()) == 2 && d.dialled(1) == "127.0.0.1:"+port })
	b := d.Pool.Backends()[0]
	if got := b.Spec().checked(); len(got) != 1 || got[0] != "127.0.0.1:"+port || d.dialled(0) != "127.0.0.1:1" {
		t.Errorf("probed at %s, dialled at %s", got, d.dialled(0))
	}
	z.change(func() { z.silent = true })
	if err := TCPProbe(Via{})(t.Context(), b); err != nil {
		t.Error(err)
	}
	z.change(func() { z.silent = false })
	d.Discoverer.Replace(t.Context(), parseEntries(t, "127.0.0.1:1;check=other.test:"+port))
	if err := TCPProbe(Via{})(t.Context(), d.Pool.Backends()[0]); !errors.Is(err, errUnresolved) {
		t.Errorf("a check without an address: %v", err)
	}
}
