package admin

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/l4"
	"fourseven/l7"
)

// Pins that a track has the rates of the last five minutes, and a gap's neighbours apart.
func TestTrack(t *testing.T) {
	var c track
	if got := c.until(5); len(got) != 0 {
		t.Errorf("before the first look: %v", got)
	}
	for i, total := range []uint64{10, 14, 20} {
		c.look(7+i, total, 2)
	}
	if got := c.until(9); !slices.Equal(got, rates{2, 3}) {
		t.Errorf("until the third look: %v, want 2 and 3", got)
	}
	c.look(10, 3, 2) // the counter begins anew
	c.look(11, 5, 2)
	if got := c.until(11); !slices.Equal(got, rates{1}) {
		t.Errorf("until the last look: %v, want 1", got)
	}
	c = track{}
	for i := range 1000 {
		c.look(i, uint64(i*i), 1)
	}
	got := c.until(999)
	if len(got) != looksKept || got[looksKept-1] != 999*999-998*998 || got[0] != 2*850-1 {
		t.Errorf("%d rates, from %v to %v", len(got), got[0], got[len(got)-1])
	}
	if text, err := json.Marshal(rates{1.26, 0, 1e9}); err != nil || string(text) != "[1.3,0,1000000000]" {
		t.Errorf("%s %v", text, err)
	}
}

// Pins that the history has what the charts show, lined up at the last look, and drops a
// backend that left.
func TestHistory(t *testing.T) {
	src := source(t)
	s := src.Services[0]
	stats := l4.Stats{Connections: 5, Received: 100, Sent: 1000}
	asked := 0
	s.Frontends[0].Recent = func() l4.Stats { asked++; return stats }
	src.History = NewHistory(src.Services)
	h := Handler(src)
	now := time.UnixMilli(1_000_000)
	look := func() { now = now.Add(2 * time.Second); src.History.look(now) }
	look()
	look()
	if asked != 1 {
		t.Errorf("a loop was asked %d times, want once while there is no traffic", asked)
	}
	a := s.Pool.Find("a:1")
	for range 4 {
		a.CountConn()
	}
	for range 6 {
		a.Count()
		a.Responded(200, time.Millisecond)
		s.Counters.Served(&l7.Record{Method: []byte("GET"), Status: 200})
	}
	a.Traffic().Received.Add(50)
	stats = l4.Stats{Connections: 9, Received: 300, Sent: 1000}
	look()
	got := decode[historyOf](t, ask(h, "GET", "/api/history", ""))
	if !slices.Equal(got.Times, []int64{1_002_000, 1_004_000, 1_006_000}) {
		t.Errorf("times %v", got.Times)
	}
	for what, pair := range map[string][2]rates{
		"connections":         {got.Frontends[0].Connections, {0, 2}},
		"received":            {got.Frontends[0].Received, {0, 100}},
		"sent":                {got.Frontends[0].Sent, {0, 0}},
		"responses":           {got.HTTP[0].Responses["2xx"], {0, 3}},
		"a's connections":     {got.Backends[0].Connections, {0, 2}},
		"a's requests":        {got.Backends[0].Requests, {0, 3}},
		"a's received":        {got.Backends[0].Received, {0, 25}},
		"the other's sent":    {got.Backends[1].Sent, {0, 0}},
		"responses of errors": {got.HTTP[0].Responses["5xx"], {0, 0}},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
	s.Pool.Replace([]health.Spec{{Addr: "c:1"}})
	look()
	got = decode[historyOf](t, ask(h, "GET", "/api/history", ""))
	if len(got.Backends) != 1 || got.Backends[0].Address != "c:1" || len(got.Backends[0].Sent) != 0 || len(src.History.backends) != 1 {
		t.Errorf("after the list was replaced: %+v", got.Backends)
	}
	if empty := ask(Handler(source(t)), "GET", "/api/history", "").Body.String(); empty != `{"times":[],"frontends":[],"http":[],"backends":[]}`+"\n" {
		t.Errorf("without a history: %s", empty)
	}
}

// Pins that latencies and errors are of the last minute, or of all the time before that is
// known.
func TestRecent(t *testing.T) {
	src := source(t)
	src.Services[0].Frontends = nil
	src.Started = time.Now().Add(-time.Hour)
	a := src.Services[0].Pool.Find("a:1")
	respond := func(n, status int, took time.Duration) {
		for range n {
			a.Responded(status, took)
			a.Connected(took / 10)
		}
	}
	respond(100, 503, time.Second)
	a.DialFailed(fmt.Errorf("refused"))
	a.CountFailure()
	asked := func() recent {
		t.Helper()
		return decode[backend](t, ask(Handler(src), "GET", "/api/backends/a:1", "")).Recent
	}
	h := NewHistory(src.Services)
	if r := h.recent(a, src.Started); r.Requests != 101 || r.Errors != 101 || r.Dials != 101 || r.FailedDials != 1 || r.Seconds < 3600 {
		t.Errorf("before any look: %+v", r)
	}
	now := time.Now().Add(-70 * time.Second)
	for range 36 { // more than a minute
		h.look(now)
		now = now.Add(2 * time.Second)
	}
	respond(98, 200, 10*time.Millisecond)
	respond(2, 500, 100*time.Millisecond)
	src.History = h
	r := asked()
	if r.Requests != 100 || r.Errors != 2 || r.Dials != 100 || r.FailedDials != 0 || r.Seconds < 59 || r.Seconds > 71 {
		t.Errorf("of the last minute: %+v", r)
	}
	if r.Response.P50 < 0.007 || r.Response.P50 > 0.011 || r.Response.P99 < 0.07 || r.Response.P99 > 0.11 || r.Connect.P50 > 0.0011 {
		t.Errorf("latencies %+v %+v", r.Response, r.Connect)
	}
	if b := src.Services[0].Pool.Backends()[1]; h.recent(b, src.Started).Response != nil {
		t.Error("a backend without traffic has a latency")
	}
	if n := len(h.backends[a].recently); n > recentSteps+1 {
		t.Errorf("%d tallies are kept", n)
	}
}

func BenchmarkLook(b *testing.B) {
	var backends []*health.Backend
	for i := range 60 {
		backends = append(backends, health.NewBackend(fmt.Sprintf("a%d:1", i)))
	}
	s := &Service{Pool: health.NewPool(backends...), Counters: NewCounters(), InFlight: func() int { return 0 }}
	h := NewHistory([]*Service{s})
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(2 * time.Second)
		h.look(now)
	}
}
