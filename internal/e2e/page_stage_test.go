//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// stage is the program under load, in front of backends of which some are in trouble: what
// pictures of the page show.
type stage struct {
	lb        *balancer
	frontends []string // addresses that the load goes to
	backends  []*stagedBackend
}

// stagedBackend serves HTTP, which L4 passes on as well, and takes its time.
type stagedBackend struct {
	addr string
	srv  *http.Server
}

// stageBackend starts a backend at an address of the network 127.0.0.0/8 whose last part is
// number. Its responses take as long as is usual for it, and one in faulty is an error.
func stageBackend(t *testing.T, number int, usual time.Duration, faulty int) *stagedBackend {
	t.Helper()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.1.%d:0", number))
	if err != nil {
		t.Fatal(err)
	}
	b := &stagedBackend{addr: ln.Addr().String()}
	b.srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			return
		}
		time.Sleep(time.Duration(rand.ExpFloat64() * float64(usual)))
		switch {
		case rand.IntN(40) == 0:
			w.WriteHeader(http.StatusNotFound)
		case rand.IntN(15) == 0:
			w.WriteHeader(http.StatusNotModified)
		case faulty > 0 && rand.IntN(faulty) == 0:
			w.WriteHeader(http.StatusInternalServerError)
		default:
			_, _ = io.CopyN(w, zeros{}, int64(2000+rand.IntN(30_000)))
		}
	})}
	go func() { _ = b.srv.Serve(ln) }()
	t.Cleanup(func() { _ = b.srv.Close() })
	return b
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// stageBackends starts n of them: the more, the more of them will be slow, or respond with
// errors.
func stageBackends(t *testing.T, n int) (all []*stagedBackend) {
	t.Helper()
	for i := range n {
		usual, faulty := time.Duration(2+i%4)*time.Millisecond, 0
		if i%16 == 7 {
			usual, faulty = 60*time.Millisecond, 8
		}
		all = append(all, stageBackend(t, 11+i, usual, faulty))
	}
	return all
}

// list returns the value of LB_BACKENDS.
func list(all []*stagedBackend) string {
	var addrs []string
	for _, b := range all {
		addrs = append(addrs, b.addr)
	}
	return strings.Join(addrs, ",")
}

// play puts load on the frontends until the test ends, about so many requests a second on each.
func (s *stage) play(t *testing.T, perSecond int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: visitors}}
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait(); client.CloseIdleConnections() })
	for _, addr := range s.frontends {
		for i := range visitors {
			wg.Go(func() { visit(ctx, client, addr, float64(perSecond)/visitors, float64(i)) })
		}
		wg.Go(func() { stay(ctx, addr) })
	}
}

// visitors is how many clients each frontend has.
const visitors = 8

// visit asks again and again, in waves.
func visit(ctx context.Context, client *http.Client, addr string, perSecond, phase float64) {
	for began := time.Now(); ; {
		at := time.Since(began).Seconds()
		pace := perSecond * (1 + 0.4*math.Sin(at/23) + 0.15*math.Sin(at/3+phase))
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(float64(time.Second) / pace)):
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
		if err != nil {
			return
		}
		r.Close = rand.IntN(12) == 0
		if resp, err := client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
}

// stay keeps some connections open.
func stay(ctx context.Context, addr string) {
	var conns []net.Conn
	for range 12 {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			break
		}
		conns = append(conns, conn)
		if len(conns)%3 > 0 {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}
	<-ctx.Done()
	for _, conn := range conns {
		_ = conn.Close()
	}
}

// post asks the admin address for a change.
func (s *stage) post(t *testing.T, path string) {
	t.Helper()
	resp, err := http.Post("http://"+s.lb.admin+path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", path, resp.Status)
	}
}

// openStage starts the program with n backends, in one service or in three.
func openStage(t *testing.T, n, services int) *stage {
	t.Helper()
	s := &stage{backends: stageBackends(t, n)}
	if services == 1 {
		s.lb = serve(t, "LB_BACKENDS="+list(s.backends), "LB_HEALTH_CHECK=http")
		s.frontends = []string{s.lb.l4, s.lb.l7}
		return s
	}
	settings := []string{"LB_SERVICES=shop,search,cache", "LB_HEALTH_CHECK=http",
		"LB_SHOP_L7_LISTEN=127.0.0.1:0", "LB_SHOP_L4_LISTEN=127.0.0.1:0", "LB_SEARCH_L7_LISTEN=127.0.0.1:0", "LB_CACHE_L4_LISTEN=127.0.0.1:0"}
	for i, name := range []string{"SHOP", "SEARCH", "CACHE"} {
		settings = append(settings, fmt.Sprintf("LB_%s_BACKENDS=%s", name, list(s.backends[n*i/3:n*(i+1)/3])))
	}
	m := serveServices(t, settings...)
	s.lb = &balancer{process: m.process, admin: m.admin}
	s.frontends = []string{m.at["shop l7"], m.at["shop l4"], m.at["search l7"], m.at["cache l4"]}
	return s
}

// down ends backends, and waits until that is known.
func (s *stage) down(t *testing.T, some []*stagedBackend) {
	t.Helper()
	for _, b := range some {
		_ = b.srv.Close()
	}
	s.awaitDown(t, len(some))
}

// awaitDown waits until so many are known to be down.
func (s *stage) awaitDown(t *testing.T, n int) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("%d backends to be down", n), func() bool {
		return strings.Contains(mustAsk(t, s.lb.admin, "/api/status"), fmt.Sprintf(`"down":%d,`, n))
	})
}
