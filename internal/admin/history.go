package admin

import (
	"context"
	"net/http"
	"sync"
	"time"

	"fourseven/health"
)

// maxTracked is how many backends the history keeps charts of: 10 KB each.
const maxTracked = 1000

// History keeps the last five minutes of what the page's charts show, so that they are there
// when the page is opened. It is safe for concurrent use. A nil History keeps nothing.
type History struct {
	services []*Service

	asked map[frontendKey]totals // Run's alone, as is signs
	signs uint64

	mu        sync.Mutex
	number    int // of the next look
	last      time.Time
	times     [looksKept]int64 // of the looks, in milliseconds since 1970
	frontends map[frontendKey]*frontendTracks
	http      map[*Service]*[len(health.Classes)]track
	backends  map[*health.Backend]*backendTracks
}

type frontendKey struct {
	of   *Service
	name string
}

type frontendTracks struct{ connections, received, sent track }

type backendTracks struct {
	connections, requests, received, sent track
	recently                              recently
	seen                                  int // the latest look
}

// NewHistory returns the history of the services. Run fills it.
func NewHistory(services []*Service) *History {
	return &History{
		services:  services,
		frontends: map[frontendKey]*frontendTracks{},
		http:      map[*Service]*[len(health.Classes)]track{},
		backends:  map[*health.Backend]*backendTracks{},
	}
}

// Run looks at the counters every two seconds until the context is done.
func (h *History) Run(ctx context.Context) error {
	tick := time.NewTicker(lookSeconds * time.Second)
	defer tick.Stop()
	for {
		h.look(time.Now())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// totals are those of a frontend.
type totals struct{ connections, received, sent uint64 }

// look takes the present totals. Those of the frontends are asked for before the lock is
// taken, since the event loops have to answer; while there is no sign of traffic, they are
// left alone and sleep.
func (h *History) look(now time.Time) {
	if signs := h.traffic(); h.asked == nil || signs != h.signs {
		h.asked, h.signs = h.ask(), signs
	}
	asked := h.asked
	h.mu.Lock()
	defer h.mu.Unlock()
	seconds := now.Sub(h.last).Seconds()
	h.times[h.number%looksKept] = now.UnixMilli()
	for key, t := range asked {
		tracks := keptAt(h.frontends, key)
		tracks.connections.look(h.number, t.connections, seconds)
		tracks.received.look(h.number, t.received, seconds)
		tracks.sent.look(h.number, t.sent, seconds)
	}
	for _, s := range h.services {
		if s.InFlight != nil {
			h.lookAtHTTP(s, seconds)
		}
		h.lookAtBackends(s, now, seconds)
	}
	for b, tracks := range h.backends {
		if tracks.seen != h.number {
			delete(h.backends, b) // it is no longer in the list
		}
	}
	h.number++
	h.last = now
}

func (h *History) ask() map[frontendKey]totals {
	asked := map[frontendKey]totals{}
	for _, s := range h.services {
		for _, f := range s.Frontends {
			stats := f.Recent()
			asked[frontendKey{s, f.Name}] = totals{stats.Connections, uint64(stats.Received), uint64(stats.Sent)}
		}
	}
	return asked
}

// traffic returns a number that changes when a backend got a connection, a request or
// bytes, or when a connection or a request ended. Counters alone are read.
func (h *History) traffic() (signs uint64) {
	for _, s := range h.services {
		signs += s.Counters.ended()
		for _, b := range s.Pool.Backends() {
			conns, _ := b.Conns()
			requests, _ := b.Requests()
			signs += conns + requests + uint64(b.Traffic().Received.Load()+b.Traffic().Sent.Load())
		}
	}
	return signs
}

func (h *History) lookAtHTTP(s *Service, seconds float64) {
	classes := keptAt(h.http, s)
	for i, n := range s.Counters.classes() {
		classes[i].look(h.number, n, seconds)
	}
}

func (h *History) lookAtBackends(s *Service, now time.Time, seconds float64) {
	for _, b := range s.Pool.Backends() {
		if h.backends[b] == nil && len(h.backends) >= maxTracked {
			continue
		}
		tracks := keptAt(h.backends, b)
		tracks.seen = h.number
		conns, _ := b.Conns()
		requests, _ := b.Requests()
		tracks.connections.look(h.number, conns, seconds)
		tracks.requests.look(h.number, requests, seconds)
		tracks.received.look(h.number, uint64(b.Traffic().Received.Load()), seconds)
		tracks.sent.look(h.number, uint64(b.Traffic().Sent.Load()), seconds)
		if h.number%recentStep == 0 || len(tracks.recently) == 0 {
			tracks.recently.add(takeTally(now, b))
		}
	}
}

// keptAt returns what is at a key of the map, and puts something new there if nothing is.
func keptAt[K comparable, V any](m map[K]*V, key K) *V {
	if m[key] == nil {
		m[key] = new(V)
	}
	return m[key]
}

// recent returns what the backend did in the last minute; in all its time if that is not
// kept.
func (h *History) recent(b *health.Backend, started time.Time) recent {
	now := takeTally(time.Now(), b)
	earlier := tally{at: started}
	if h != nil {
		h.mu.Lock()
		if tracks := h.backends[b]; tracks != nil && len(tracks.recently) > 0 {
			earlier = tracks.recently[0]
		}
		h.mu.Unlock()
	}
	return now.since(&earlier)
}

// historyOf is the response of /api/history. Times are milliseconds since 1970, the
// oldest first; each list of rates ends at the last of them.
type historyOf struct {
	Times     []int64           `json:"times"`
	Frontends []frontendHistory `json:"frontends"`
	HTTP      []httpHistory     `json:"http"`
	Backends  []backendHistory  `json:"backends"`
}

type frontendHistory struct {
	Service     string `json:"service,omitempty"`
	Name        string `json:"name"`
	Connections rates  `json:"connections"`
	Received    rates  `json:"received_bytes"`
	Sent        rates  `json:"sent_bytes"`
}

type httpHistory struct {
	Service   string           `json:"service,omitempty"`
	Responses map[string]rates `json:"responses"` // by the class of their status
}

type backendHistory struct {
	Service     string `json:"service,omitempty"`
	Address     string `json:"address"`
	Connections rates  `json:"l4_connections"`
	Requests    rates  `json:"requests"`
	Received    rates  `json:"received_bytes"`
	Sent        rates  `json:"sent_bytes"`
}

func (src *Source) showHistory(w http.ResponseWriter, _ *http.Request) {
	show(w, http.StatusOK, src.History.all())
}

// all returns what is kept.
func (h *History) all() historyOf {
	all := historyOf{Times: []int64{}, Frontends: []frontendHistory{}, HTTP: []httpHistory{}, Backends: []backendHistory{}}
	if h == nil {
		return all
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.number - 1
	for i := max(0, last-looksKept+1); i <= last; i++ {
		all.Times = append(all.Times, h.times[i%looksKept])
	}
	for _, s := range h.services {
		for _, f := range s.Frontends {
			if t := h.frontends[frontendKey{s, f.Name}]; t != nil {
				all.Frontends = append(all.Frontends, frontendHistory{s.Name, f.Name, t.connections.until(last), t.received.until(last), t.sent.until(last)})
			}
		}
		if classes := h.http[s]; classes != nil {
			responses := map[string]rates{}
			for i := range classes {
				responses[health.Classes[i]] = classes[i].until(last)
			}
			all.HTTP = append(all.HTTP, httpHistory{s.Name, responses})
		}
		for _, b := range s.Pool.Backends() {
			if t := h.backends[b]; t != nil {
				all.Backends = append(all.Backends, backendHistory{s.Name, b.Addr, t.connections.until(last), t.requests.until(last), t.received.until(last), t.sent.until(last)})
			}
		}
	}
	return all
}
