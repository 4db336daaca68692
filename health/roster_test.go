package health

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// parse returns the backends of a list.
func parse(t *testing.T, list string) []Spec {
	t.Helper()
	var specs []Spec
	for entry := range strings.SplitSeq(list, ",") {
		s, err := ParseSpec(entry)
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, s)
	}
	return specs
}

// newPool returns a pool of the backends of a list.
func newPool(t *testing.T, list string) *Pool {
	t.Helper()
	var bs []*Backend
	for _, s := range parse(t, list) {
		bs = append(bs, s.Backend())
	}
	return NewPool(bs...)
}

// Pins that an address that stays keeps what is known of it, also with other
// options, and that what it has counts against a new limit.
func TestReplaceKeepsWhatStays(t *testing.T) {
	p := newPool(t, "a:1,b:1")
	p.record(1, 1, probed(p, 0, nil), probed(p, 1, errors.New("bad")))
	turn := p.Turn()
	held := turn.Next()
	held.Count()
	p.Replace(parse(t, "c:1,b:1,a:1;max_conns=1"))
	bs := p.Backends()
	if bs[2].Total() != 1 || bs[2].Active() != 1 || bs[2].Status().State != Up || bs[2].Spec().MaxConns != 1 {
		t.Errorf("a: total %d, active %d, %s, max_conns %d", bs[2].Total(), bs[2].Active(), bs[2].Status().State, bs[2].Spec().MaxConns)
	}
	if bs[1].Status().State != Down || bs[0].Status().State != Unknown {
		t.Errorf("b is %s, c is %s", bs[1].Status().State, bs[0].Status().State)
	}
	if got := next(t, p); got != "" {
		t.Errorf("a is full, still %q has a turn", got)
	}
	held.Release()
	if got := next(t, p); got != "a" || bs[2].Active() != 0 {
		t.Errorf("after the release: %q, active %d", got, bs[2].Active())
	}
}

// Pins that there is one Backend for an address, whatever its options: L7 keeps its
// connections by it, and opened a second pool when it got another.
func TestReplaceKeepsTheBackend(t *testing.T) {
	p := newPool(t, "a:1,b:1")
	p.record(1, 1, probed(p, 0, nil), probed(p, 1, nil))
	before := p.Backends()
	for _, list := range []string{"a:1;weight=3,b:1;max_conns=2", "b:1;backup,a:1", "a:1,b:1;weight=2"} {
		p.Replace(parse(t, list))
		for _, b := range before {
			if p.Find(b.Addr) != b || !b.Up() {
				t.Errorf("%s is another backend, or down, after %q", b.Addr, list)
			}
		}
	}
	turn := p.Turn()
	held := turn.Next()
	p.Replace(parse(t, "c:1"))
	p.Replace(parse(t, "a:1;weight=5,b:1;weight=5"))
	if p.Find(held.Addr) != held || held.Spec().Weight != 5 {
		t.Errorf("%s came back with connections as another backend: %s", held, p.Find(held.Addr))
	}
}

// Pins that what leaves gets no new turns while its connections go on, and that
// these count when it comes back, as an unknown one.
func TestReplaceLetsGo(t *testing.T) {
	p := newPool(t, "a:1,b:1;max_conns=2")
	p.record(1, 1, probed(p, 0, nil), probed(p, 1, nil))
	turn := p.Turn()
	turn.Next().Release()
	turn = p.Turn()
	held := turn.Next()
	p.Replace(parse(t, "a:1"))
	if got := next(t, p) + next(t, p) + next(t, p); got != "aaa" {
		t.Errorf("turns %s, want aaa", got)
	}
	p.record(1, 1, result{backend: held, err: errors.New("a late probe")})
	p.Replace(parse(t, "a:1,b:1;max_conns=1"))
	b := p.Backends()[1]
	if b.Active() != 1 || b.Status().State != Unknown {
		t.Errorf("b came back %s with %d connections, want unknown with 1", b.Status().State, b.Active())
	}
	p.record(1, 1, probed(p, 1, nil))
	if got := next(t, p) + next(t, p); got != "aa" {
		t.Errorf("turns %s, want aa: b is full", got)
	}
	held.Release()
	p.Replace(parse(t, "a:1"))
	p.Replace(parse(t, "a:1,b:1"))
	if n := p.Backends()[1].Total(); n != 0 || len(p.roster.departed) != 0 {
		t.Errorf("b left without connections and is remembered: total %d", n)
	}
}

// Pins that a list replaced whole leaves no gap: those that left take turns until
// the first of the new ones is known.
func TestReplaceHandsOver(t *testing.T) {
	p := newPool(t, "a:1,b:1")
	p.record(1, 1, probed(p, 0, nil), probed(p, 1, errors.New("bad")))
	p.Replace(parse(t, "c:1,d:1"))
	if got := next(t, p); got != "a" {
		t.Fatalf("got %q, want a", got)
	}
	p.record(1, 1, probed(p, 0, errors.New("bad")))
	if got := next(t, p); got != "a" {
		t.Errorf("got %q, want a: d is not known yet", got)
	}
	p.record(1, 1, probed(p, 1, nil))
	if got := next(t, p) + next(t, p); got != "dd" {
		t.Errorf("turns %s, want dd", got)
	}
	p.Replace(parse(t, "e:1"))
	p.record(1, 1, probed(p, 0, errors.New("bad")))
	if p.Ready() {
		t.Error("the new one is down, and an old one still takes turns")
	}
}

// Pins that a list of names that have not been found yet takes nothing away: a name
// server that is gone during a reload must not stop the traffic.
func TestReplaceByNothingYet(t *testing.T) {
	p := newPool(t, "a:1")
	p.record(1, 1, probed(p, 0, nil))
	p.Replace(nil)
	if got := next(t, p); got != "a" {
		t.Errorf("got %q, want a until there is another", got)
	}
	p.Replace(parse(t, "b:1"))
	if got := next(t, p); got != "a" {
		t.Errorf("got %q, want a: b is not known yet", got)
	}
	p.record(1, 1, probed(p, 0, nil))
	if got := next(t, p); got != "b" {
		t.Errorf("got %q, want b", got)
	}
}

func TestReplaceWithoutProbes(t *testing.T) {
	p := upPool(t, 1)
	p.Replace(parse(t, "b:1,c:1"))
	if got := next(t, p) + next(t, p); len(got) != 2 || strings.Contains(got, "a") {
		t.Errorf("turns %s, want b and c", got)
	}
}

// Pins that the log tells of changes alone.
func TestReplaceLogsChanges(t *testing.T) {
	var buf bytes.Buffer
	p := newPool(t, "a:1,b:1")
	logTo(p, &buf)
	p.Replace(parse(t, "a:1,b:1"))
	if buf.Len() > 0 {
		t.Errorf("nothing changed, still: %s", buf.String())
	}
	p.Replace(parse(t, "b:1,c:1"))
	p.Replace(parse(t, "b:1;weight=2,c:1"))
	for _, want := range []string{"added=c:1 removed=a:1 altered=\"\"\n", "added=\"\" removed=\"\" altered=\"b:1;weight=2\"\n"} {
		if want = `msg="backends changed" ` + want; strings.Count(buf.String(), want) != 1 {
			t.Errorf("want one %q in:\n%s", want, buf.String())
		}
	}
}

// Pins that the checker follows the list: who joins is probed at once, and who
// left is probed no more.
func TestCheckerFollowsTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		calls := map[string]int{}
		probe := func(_ context.Context, b *Backend) error {
			mu.Lock()
			defer mu.Unlock()
			calls[b.Addr]++
			return nil
		}
		p := newPool(t, "a:1,b:1")
		c := newChecker(p, probe)
		c.CheckAll(t.Context())
		run(t, c)
		synctest.Wait()
		p.Replace(parse(t, "b:1;weight=2,c:1"))
		synctest.Wait()
		if got := p.Backends()[1].Status().State; got != Up {
			t.Errorf("c is %s at once, want up", got)
		}
		mu.Lock()
		clear(calls)
		mu.Unlock()
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if calls["a:1"] != 0 || calls["b:1"] < 6 || calls["c:1"] < 6 {
			t.Errorf("probes in a minute: %v, want none of a", calls)
		}
	})
}

// Turns are drawn while the list changes: with the race detector this pins that
// they need no lock, and that every turn is given back.
func TestReplaceUnderLoad(t *testing.T) {
	p := newPool(t, "a:1,b:1,c:1")
	p.Balance = LeastConn
	p.MarkAllUp()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				turn := p.Turn()
				if b := turn.Next(); b != nil {
					b.Release()
				}
			}
		})
	}
	for range 300 {
		p.Replace(parse(t, "b:1;max_conns=3,c:1"))
		p.Replace(parse(t, "a:1,b:1;weight=2,d:1"))
	}
	cancel()
	wg.Wait()
	for _, b := range p.Backends() {
		if b.Active() != 0 {
			t.Errorf("%s has %d connections", b.Addr, b.Active())
		}
	}
}
