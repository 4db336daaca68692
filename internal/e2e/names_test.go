//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"fourseven/internal/testkit"

	"github.com/miekg/dns"
)

// nameServer is a DNS server for names of two or three labels that end in .test, which
// all have one address.
type nameServer struct {
	addr      netip.Addr
	moved     atomic.Pointer[netip.Addr] // replaces addr if it is set
	silent    atomic.Bool
	questions atomic.Int64
}

// ServeDNS answers a question.
func (s *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.questions.Add(1)
	if s.silent.Load() {
		return
	}
	addr := s.addr
	if moved := s.moved.Load(); moved != nil {
		addr = *moved
	}
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	name := q.Question[0].Name
	switch known := dns.IsSubDomain("test.", name) && dns.CountLabel(name) <= 3; {
	case !known:
		m.Rcode = dns.RcodeNameError
	case q.Question[0].Qtype == dns.TypeA:
		m.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: addr.AsSlice(),
		}}
	}
	_ = w.WriteMsg(m)
}

// serveNames answers on a socket, with this address, until the test ends.
func serveNames(t *testing.T, conn net.PacketConn, addr netip.Addr) *nameServer {
	t.Helper()
	s := &nameServer{addr: addr}
	startedc, donec := make(chan struct{}), make(chan struct{})
	srv := &dns.Server{PacketConn: conn, Handler: s, NotifyStartedFunc: func() { close(startedc) }}
	go func() { _ = srv.ActivateAndServe(); close(donec) }()
	<-startedc
	t.Cleanup(func() { _ = srv.Shutdown(); <-donec })
	return s
}

// TestNamesOutliveTheirServer lets the DNS server fall silent under traffic, with probes
// and without: no request fails, no backend goes down, a list whose new name cannot be
// looked up takes nothing away, and the program stops without waiting for a lookup.
func TestNamesOutliveTheirServer(t *testing.T) {
	t.Parallel()
	for _, check := range []string{"http", "off"} {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			b := startBackends(t, 2) // at one address
			server := serveNames(t, conn, netip.MustParseAddrPort(b[0].addr).Addr())
			named := func(i int, name string) string {
				_, port, _ := net.SplitHostPort(b[i].addr)
				return name + ".test:" + port
			}
			path := filepath.Join(t.TempDir(), "backends")
			list := func(text string) {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			list(named(0, "one") + "," + named(1, "two"))
			lb := serve(t, "LB_BACKENDS_FILE="+path, "LB_HEALTH_CHECK="+check,
				"LB_DNS_SERVER="+conn.LocalAddr().String(), "LB_DNS_INTERVAL=100ms")
			lb.awaitHealthy(testkit.Patience, named(0, "one"), named(1, "two"))
			clients := keepAsking(t, lb)

			server.silent.Store(true)
			testkit.Eventually(t, "lookups to time out", func() bool { return timedOut(t, lb) >= 4 })
			servedBy(t, repeat(3, lb.l4)...)
			clients.awaitMore(10)
			list(named(0, "new"))
			lb.signal(syscall.SIGHUP)
			lb.awaitOutput(1, "msg=reloaded")
			servedBy(t, lb.l4, lb.l7) // by those that left: nothing in the new list is up
			server.silent.Store(false)
			lb.awaitHealthy(testkit.Patience, named(0, "new"))
			clients.stop()
			if n := lb.outputCount(`msg="backend down" backend=one`) + lb.outputCount(`msg="backend down" backend=two`); n > 0 {
				t.Errorf("%d backends went down", n)
			}
			server.silent.Store(true)
			asked := server.questions.Load()
			testkit.Eventually(t, "a lookup to be under way", func() bool { return server.questions.Load() > asked })
			lb.stop()
		})
	}
}

var timeoutCount = regexp.MustCompile(`lb_dns_lookups_total\{result="timeout"\} (\d+)`)

// timedOut returns how many lookups timed out.
func timedOut(t *testing.T, lb *balancer) int {
	t.Helper()
	m := timeoutCount.FindStringSubmatch(mustAsk(t, lb.admin, "/metrics"))
	if m == nil {
		t.Fatal("no count of lookups that timed out")
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// TestFirstNameServerIsSilent starts the program on a host whose resolv.conf has a server
// that is silent before one that is not, and search domains: the name of a backend is
// found before the first probe, and so is one in the hosts file.
func TestFirstNameServerIsSilent(t *testing.T) {
	t.Parallel()
	lb := newNamespace(t, "names")
	etc := filepath.Join("/etc/netns", string(lb)) // ip netns exec mounts what is in it over /etc
	if err := os.MkdirAll(etc, 0o755); err != nil {
		testkit.Missing(t, fmt.Sprintf("the right to write to /etc/netns (%v)", err))
	}
	t.Cleanup(func() { _ = os.RemoveAll(etc) })
	for name, text := range map[string]string{
		"resolv.conf": "nameserver 127.0.0.53\nnameserver 127.0.0.54\nsearch no.example db.test\noptions ndots:2\n",
		"hosts":       "127.0.0.1 localhost filed\n",
	} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	dead, alive := serveNames(t, lb.listenPacket(t, "127.0.0.53:53"), loopback), serveNames(t, lb.listenPacket(t, "127.0.0.54:53"), loopback)
	dead.silent.Store(true)
	_ = lb.listen(t, "127.0.0.1:8001")
	p := listening(t, within(lb, fourseven(quick("LB_BACKENDS=pg:8001,filed:8001,unknown.example:8001", "LB_HEALTH_CHECK=tcp"))))
	p.awaitHealthy(testkit.Patience, "pg:8001", "filed:8001")
	wantTexts(t, "the log", p.output(), []string{`msg="backend down" backend=unknown.example:8001`})
	if dead.questions.Load() == 0 || alive.questions.Load() == 0 {
		t.Errorf("%d questions to the first server, %d to the second", dead.questions.Load(), alive.questions.Load())
	}
	if p.outputCount(`msg="backend down" backend=pg`) > 0 {
		t.Error("the first probe did not wait for the answer")
	}
	p.stop()
}

// TestNameMovesUnderTraffic gives a name another address while the host at the old one
// goes on: HTTP requests had stayed there for as long as one came within
// LB_L7_BACKEND_KEEPALIVE.
func TestNameMovesUnderTraffic(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	before := testkit.Listen(t)
	at := netip.MustParseAddrPort(before.Addr().String())
	to := netip.MustParseAddr(testkit.Host())
	after, err := net.Listen("tcp", netip.AddrPortFrom(to, at.Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	for host, ln := range map[string]net.Listener{"before": before, "after": after} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, host)
		}))
		_ = srv.Listener.Close()
		srv.Listener = ln
		srv.Start()
		t.Cleanup(srv.Close)
	}
	server := serveNames(t, conn, at.Addr())
	lb := serve(t, fmt.Sprintf("LB_BACKENDS=db.test:%d", at.Port()), "LB_HEALTH_CHECK=off", "LB_L7_BACKEND_KEEPALIVE=1h",
		"LB_DNS_SERVER="+conn.LocalAddr().String(), "LB_DNS_INTERVAL=100ms")
	if got := mustAsk(t, lb.l7, "/"); got != "before" {
		t.Fatalf("%q before the name moved", got)
	}
	server.moved.Store(&to)
	testkit.Eventually(t, "requests to follow the name", func() bool { return mustAsk(t, lb.l7, "/") == "after" })
	lb.stop()
}
