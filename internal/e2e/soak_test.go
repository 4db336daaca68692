//go:build linux

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// soakTime is how long TestSoak lasts, but for its beginning and end.
//
//	go test ./internal/e2e -run TestSoak -v -soak 30m -timeout 0
var soakTime = flag.Duration("soak", 15*time.Second, "how long TestSoak lasts")

// Between two events of a kind, in a soak that is long enough; a short one has at
// least two replacements, and the others as often in proportion.
const (
	replaceEvery = time.Minute
	faultEvery   = 10 * time.Second // a backend ends, or it returns
	reloadEvery  = 35 * time.Second
	sampleEvery  = 2 * time.Second
)

// soak is a lineage of processes that replace each other, and a veteran which lives
// all the time, in front of the same backends, some of which are not always there.
type soak struct {
	*testing.T
	scale    float64 // of the time between two events
	backends []*backend
	down     *backend // that one of them which is not there; may be nil
	list     string   // path of the file with the backends' addresses
	lineage  *lineage
	veteran  *balancer
	leaving  []*balancer // told to end
	record   *record
	lives    []*life // the veteran's first
	reloads  int
}

// TestSoak lets clients of all kinds do what they do, while backends are killed and
// return, the list of backends changes and the program is replaced. It fails for
// each failure that no killed backend explains, and for each process that grows.
func TestSoak(t *testing.T) {
	if deadline, ok := t.Deadline(); ok && time.Until(deadline) < *soakTime+2*time.Minute {
		t.Fatalf("-soak %s needs a -timeout of %s at least", *soakTime, *soakTime+2*time.Minute)
	}
	s := newSoak(t)
	load := newLoad()
	s.traffic(load)
	s.events(time.Now().Add(*soakTime))
	load.stop()
	s.end()
	t.Logf("%d replacements, %d changes of the list", len(s.leaving), s.reloads)
	s.record.report(t)
	for _, l := range s.lives {
		l.report(t)
	}
}

func newSoak(t *testing.T) *soak {
	s := &soak{
		T: t, scale: min(1, soakTime.Seconds()/3/replaceEvery.Seconds()),
		backends: startBackends(t, 3), list: filepath.Join(t.TempDir(), "backends"), record: newRecord(),
	}
	s.write(s.backends)
	settings := []string{
		"LB_BACKENDS_FILE=" + s.list,
		// On a machine that is short of processor time a probe may take long. A
		// backend that is killed refuses at once.
		"LB_HEALTH_TIMEOUT=" + testkit.Patience.String(),
	}
	s.lineage = newLineage(t, settings...)
	s.veteran = serve(t, settings...)
	s.lives = []*life{{name: "veteran", of: s.veteran}, {name: "generation 1", of: s.lineage.newest}}
	return s
}

// write makes these backends the list.
func (s *soak) write(backends []*backend) {
	s.Helper()
	_, list, _ := strings.Cut(backendsOf(backends), "=")
	if err := os.WriteFile(s.list, []byte(list), 0o600); err != nil {
		s.Fatal(err)
	}
}

// events makes things happen until a time.
func (s *soak) events(until time.Time) {
	type event struct {
		every  time.Duration
		happen func()
		next   time.Time
	}
	all := []*event{
		{every: replaceEvery, happen: s.replace},
		{every: faultEvery, happen: s.fault},
		{every: reloadEvery, happen: s.reload},
		{every: sampleEvery, happen: s.sample},
	}
	for _, e := range all {
		e.every = time.Duration(float64(e.every) * s.scale)
		e.next = time.Now().Add(e.every)
	}
	for time.Now().Before(until) {
		soonest := all[0]
		for _, e := range all[1:] {
			if e.next.Before(soonest.next) {
				soonest = e
			}
		}
		<-time.After(time.Until(soonest.next))
		soonest.happen()
		soonest.next = time.Now().Add(soonest.every)
	}
}

// replace starts the next generation.
func (s *soak) replace() {
	s.Helper()
	s.leaving = append(s.leaving, s.lineage.replace())
	s.lives = append(s.lives, &life{name: fmt.Sprintf("generation %d", len(s.lives)), of: s.lineage.newest})
}

// fault ends a backend, at once or when it has answered what it was asked, or lets
// the one that has ended return.
func (s *soak) fault() {
	s.Helper()
	if s.down != nil {
		s.down.start(s.T)
		s.down = nil
		return
	}
	s.down = s.backends[rand.N(len(s.backends))]
	began := time.Now()
	if rand.N(2) == 0 {
		s.down.kill()
	} else {
		s.down.stop()
	}
	s.record.fault(fault{strconv.Itoa(s.down.number), began, time.Now()})
}

// reload takes the last backend off the list, or puts it there again.
func (s *soak) reload() {
	s.Helper()
	s.reloads++
	s.write(s.backends[:len(s.backends)-s.reloads%2])
	for _, lb := range []*balancer{s.veteran, s.lineage.newest} {
		lb.signal(syscall.SIGHUP)
	}
}

// sample measures the processes that take new connections.
func (s *soak) sample() {
	s.Helper()
	s.lives[0].sample()
	s.lives[len(s.lives)-1].sample()
}

// end stops all processes. None may think that it has clients, or have cut any.
func (s *soak) end() {
	s.Helper()
	last := []*balancer{s.veteran, s.lineage.newest}
	for _, lb := range last {
		testkit.Eventually(s.T, "all clients to have left", func() bool {
			metrics := mustAsk(s.T, lb.admin, "/metrics")
			return strings.Contains(metrics, `lb_frontend_active_connections{frontend="l4"} 0`) &&
				strings.Contains(metrics, `lb_frontend_active_connections{frontend="l7"} 0`)
		})
		lb.signal(syscall.SIGTERM)
	}
	for _, lb := range append(s.leaving, last...) {
		lb.wantExit(exitOK)
		if lb.outputCount("msg=cut") > 0 {
			s.Errorf("pid %d cut connections", lb.pid())
		}
	}
}
