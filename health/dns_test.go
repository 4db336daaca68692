package health

import (
	"net"
	"strings"
	"sync"
	"testing"

	"fourseven/internal/testkit"

	"github.com/miekg/dns"
)

// zone is a DNS server whose answers a test sets. Names are absolute, with a dot
// at the end.
type zone struct {
	addr string

	mu      sync.Mutex
	records map[string][]dns.RR // by name and type
	rcodes  map[string]int      // by name, or by name and type
	silent  bool
	// dropped are names, or names and types, without a response.
	dropped map[string]bool
	// extended is the code of the response to a query with EDNS: 0 for a proper one,
	// and -1 for none.
	extended int
	// truncate makes UDP carry no answers, so that TCP has to.
	truncate bool
	asked    map[string]int // by name and type
	holdc    chan struct{}  // if not nil, an answer waits for it
}

// startZone serves on a loopback port, by UDP and TCP, until the test ends.
func startZone(t *testing.T) *zone {
	t.Helper()
	z := &zone{records: map[string][]dns.RR{}, rcodes: map[string]int{}, asked: map[string]int{}, dropped: map[string]bool{}}
	udp, tcp := listenBoth(t)
	z.addr = udp.LocalAddr().String()
	for _, srv := range []*dns.Server{{PacketConn: udp, Handler: z}, {Listener: tcp, Handler: z}} {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		donec := make(chan struct{})
		go func() { _ = srv.ActivateAndServe(); close(donec) }()
		<-started
		t.Cleanup(func() { _ = srv.Shutdown(); <-donec })
	}
	return z
}

// listenBoth listens on one port by UDP and TCP.
func listenBoth(t *testing.T) (udp net.PacketConn, tcp net.Listener) {
	t.Helper()
	for range 100 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp
		}
		_ = udp.Close() // something else has that port of TCP
	}
	t.Fatal("no port is free for both UDP and TCP in 100 tries")
	return nil, nil
}

// between changes the zone between two lookups of a host, so that none gets its A
// records from before the change and its AAAA records from after it.
func (z *zone) between(t *testing.T, host string, change func()) {
	t.Helper()
	testkit.Eventually(t, "no lookup is halfway", func() bool {
		z.mu.Lock()
		defer z.mu.Unlock()
		between := z.asked[host+"A"] == z.asked[host+"AAAA"]
		if between {
			change()
		}
		return between
	})
}

// set replaces all records, in the form of a zone file.
func (z *zone) set(t *testing.T, records ...string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	z.setLocked(t, records...)
}

func (z *zone) setLocked(t *testing.T, records ...string) {
	t.Helper()
	clear(z.records)
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		key := rr.Header().Name + dns.TypeToString[rr.Header().Rrtype]
		z.records[key] = append(z.records[key], rr)
	}
}

// fail makes questions for a name, or for a name and a type, end with that code;
// 0 ends it.
func (z *zone) fail(name string, rcode int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.rcodes[name] = rcode
}

// change changes a field of the server.
func (z *zone) change(f func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	f()
}

// questions returns how often a name and type were asked for.
func (z *zone) questions(key string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[key]
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	name := strings.ToLower(q.Question[0].Name)
	key := name + dns.TypeToString[q.Question[0].Qtype]
	z.mu.Lock()
	z.asked[key]++
	short := z.truncate && w.LocalAddr().Network() == "udp"
	m, silent, holdc := z.answerLocked(q, name, key), z.silent || z.dropped[name] || z.dropped[key], z.holdc
	if q.IsEdns0() != nil && z.extended != 0 {
		m, silent = new(dns.Msg).SetRcode(q, z.extended), silent || z.extended < 0
	}
	z.mu.Unlock()
	if short {
		m.Truncated, m.Answer = true, nil
	}
	if holdc != nil {
		<-holdc
	}
	if !silent {
		_ = w.WriteMsg(m)
	}
}

func (z *zone) answerLocked(q *dns.Msg, name, key string) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	for _, failing := range []string{name, key} {
		if rcode := z.rcodes[failing]; rcode != 0 {
			m.Rcode = rcode
			return m
		}
	}
	m.Answer = z.records[key]
	if len(m.Answer) > 0 {
		return m
	}
	for known := range z.records {
		if strings.HasPrefix(known, name) {
			return m // the name exists, with records of another type
		}
	}
	m.Rcode = dns.RcodeNameError
	return m
}
