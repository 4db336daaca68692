//go:build linux

package e2e

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// scene is the page of the program with an API that makes its figures up: each
// look at it is a second after the one before, until the last.
type scene struct {
	*httptest.Server
	statuses, lists atomic.Int64 // how many were given
	traffic         [sceneSeconds]second
}

const sceneSeconds = 300

// second is what had happened until a second of the scene.
type second struct {
	l4, l7   float64 // connections
	ok, bad  float64 // answers 200 and 502
	l4in     float64 // bytes
	l4out    float64
	l7in     float64
	l7out    float64
	backends [len(sceneShares)]float64 // connections and requests
}

// sceneShares are the weights of the backends: the third is drained and the
// fourth goes down on the way.
var sceneShares = [...]float64{1, 2, 1, 1}

const (
	sceneDrained = 170
	sceneDown    = 215
)

func newScene(t *testing.T, admin string) *scene {
	t.Helper()
	s := &scene{}
	s.makeTraffic()
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: admin}))
	mux.HandleFunc("GET /api/status", s.giveStatus)
	mux.HandleFunc("GET /api/backends", s.giveBackends)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// await waits until all of the scene has been looked at.
func (s *scene) await(t *testing.T) {
	t.Helper()
	testkit.Within(t, time.Minute, "the scene's end", func() bool {
		return s.statuses.Load() > sceneSeconds+2 && s.lists.Load() > sceneSeconds+2
	})
}

func (s *scene) makeTraffic() {
	random := rand.New(rand.NewPCG(4, 7)) // the same picture each time
	now := second{l4: 1_204_118, l7: 88_214, ok: 9_731_442, bad: 12, l4in: 3.1e9, l4out: 48.2e9, l7in: 6.6e9, l7out: 91.4e9}
	now.backends = [...]float64{2_204_190, 4_408_371, 2_193_008, 2_199_640}
	for i := range s.traffic {
		at := float64(i)
		noise := func(by float64) float64 { return 1 + by*(random.Float64()-0.5) }
		l4 := (46 + 14*math.Sin(at/37)) * noise(0.16)
		requests := (310 + 70*math.Sin(at/23+1) + 40*math.Sin(at/7)) * noise(0.08)
		failed := 0.0
		if i >= sceneDown-4 && i < sceneDown+2 {
			failed = 60 * noise(0.5)
		}
		now.add(second{
			l4: l4, l7: 12 * noise(0.6), ok: requests, bad: failed,
			l4in: l4 * 21e3 * noise(0.2), l4out: l4 * 260e3 * noise(0.2),
			l7in: requests * 900, l7out: requests * 11e3 * noise(0.08),
		})
		now.share(i, l4+requests)
		s.traffic[i] = now
	}
}

func (s *second) add(d second) {
	s.l4, s.l7, s.ok, s.bad = s.l4+d.l4, s.l7+d.l7, s.ok+d.ok, s.bad+d.bad
	s.l4in, s.l4out, s.l7in, s.l7out = s.l4in+d.l4in, s.l4out+d.l4out, s.l7in+d.l7in, s.l7out+d.l7out
}

// share gives the turns of a second to the backends that take some.
func (s *second) share(at int, turns float64) {
	sum := 0.0
	for i, share := range sceneShares {
		if sceneTakes(at, i) {
			sum += share
		}
	}
	for i, share := range sceneShares {
		if sceneTakes(at, i) {
			s.backends[i] += turns * share / sum
		}
	}
}

func sceneTakes(at, backend int) bool {
	return backend < 2 || backend == 2 && at < sceneDrained || backend == 3 && at < sceneDown
}

// object is one of the API's.
type object map[string]any

var sceneBegan = time.Date(2026, time.November, 26, 9, 41, 0, 0, time.UTC)

// look returns which second is looked at: the next one, or the last again.
func look(counter *atomic.Int64) int {
	return min(int(counter.Add(1)), sceneSeconds) - 1
}

func ago(at int, d time.Duration) time.Time {
	return sceneBegan.Add(time.Duration(at)*time.Second - d)
}

func (s *scene) giveStatus(w http.ResponseWriter, _ *http.Request) {
	i := look(&s.statuses)
	now := s.traffic[i]
	give(w, object{
		"version": "v1.0.0", "started": sceneBegan.Add(-53 * time.Hour), "now": ago(i, 0),
		"ready": true, "draining": false, "connections_limit": 32488, "accept_errors": 0, "log_lines_dropped": 0,
		"reloads": []object{},
		"frontends": []object{
			{
				"name": "l4", "address": "[::]:9000", "active": int(212 + 40*math.Sin(float64(i)/41)),
				"connections": int(now.l4), "received_bytes": int(now.l4in), "sent_bytes": int(now.l4out), "retries": 3 + sceneRetries(i),
				"closed":   object{"eof": int(now.l4) - 260, "client_reset": 141 + i/40, "idle": 12, "backend_reset": 2, "half_close_timeout": 4},
				"rejected": object{"denied": 31 + i/70},
			},
			{
				"name": "l7", "address": "[::]:8000", "active": int(61 + 8*math.Sin(float64(i)/29)),
				"connections": int(now.l7), "received_bytes": int(now.l7in), "sent_bytes": int(now.l7out), "retries": 9 + sceneRetries(i),
				"closed":   object{"eof": int(now.l7) - 90, "client_reset": 33, "idle": 210 + i/20},
				"rejected": object{},
			},
		},
		"http": object{"in_flight": 7 + i%3, "requests": object{
			"200": int(now.ok), "304": int(now.ok / 14), "404": int(now.ok / 40), "502": int(now.bad),
		}},
	})
}

func sceneRetries(at int) int { return min(max(0, at-sceneDown+4), 6) }

func (s *scene) giveBackends(w http.ResponseWriter, _ *http.Request) {
	i := look(&s.lists)
	var list []object
	for n, addr := range []string{"10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080", "10.0.0.14:8080"} {
		total := s.traffic[i].backends[n]
		list = append(list, object{
			"address": addr, "weight": sceneShares[n], "configured_weight": 1, "max_conns": 0, "backup": false,
			"state": "up", "mode": "ready", "since": sceneBegan.Add(-53 * time.Hour),
			"probe":              object{"at": ago(i, 0), "latency_seconds": 0.0011 + 0.0002*float64(n), "passed": true},
			"active_connections": int(40*sceneShares[n]) + (i+n*3)%7, "connections": int(total),
			"received_bytes": int(total * 3100), "sent_bytes": int(total * 41000),
			"errors": object{"refused": 0, "timeout": 0}, "checks": object{"passed": 19080 + i/10, "failed": 0, "local": 0},
		})
	}
	if i >= sceneDrained {
		list[2]["mode"], list[2]["active_connections"] = "drain", max(4, 30-(i-sceneDrained)/3)
	}
	if i >= sceneDown {
		sceneGoesDown(i, list[3])
	}
	give(w, list)
}

func sceneGoesDown(at int, b object) {
	b["state"], b["since"], b["active_connections"] = "down", ago(sceneDown, 0), 0
	b["errors"] = object{"refused": sceneRetries(at), "timeout": 0}
	b["checks"] = object{"passed": 19102, "failed": at - sceneDown + 2, "local": 0}
	b["probe"] = object{"at": ago(at, 0), "latency_seconds": 0.0002, "passed": false, "error": "dial 10.0.0.14:8080 (refused): connection refused"}
}

func give(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
