package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fourseven/health"
)

// Pins that the latest hundred events are kept, and twenty of one backend: one that comes and
// goes must not push out what an operator did.
func TestEventsAreBounded(t *testing.T) {
	var e Events
	e.add(Event{Text: "first"})
	for i := range 300 {
		e.add(Event{Service: "a", Backend: "flapping:1", Text: fmt.Sprint(i)})
	}
	all := e.all()
	if len(all) != 1+maxEventsOfABackend || all[0].Text != "299" || all[0].ID != 301 || all[len(all)-1].Text != "first" {
		t.Errorf("%d events, from %+v to %+v", len(all), all[len(all)-1], all[0])
	}
	for i := range 300 {
		e.add(Event{Service: "b", Backend: fmt.Sprint(i), Text: strings.Repeat("é", maxEventText)})
	}
	all = e.all()
	if len(all) != maxEvents || all[0].Backend != "299" || e.latest() != 601 {
		t.Errorf("%d events, the latest %+v", len(all), all[0])
	}
	if n := len(all[0].Text); n > maxEventText+len("...") || strings.ContainsRune(all[0].Text, '\uFFFD') {
		t.Errorf("a text of %d bytes: %q", n, all[0].Text)
	}
}

// Pins which transitions of a pool are events, and their words.
func TestEventsOfAPool(t *testing.T) {
	var e Events
	pool := health.NewPool(health.NewBackend("a:1"), health.NewBackend("b:1"))
	pool.OnTransition = func(tr health.Transition) { e.Transition("rw", tr) }
	fails := map[string]error{"b:1": errors.New("no such luck")}
	check := func() {
		probe := func(_ context.Context, b *health.Backend) error { return fails[b.Addr] }
		(&health.Checker{Pool: pool, Probe: probe, Timeout: time.Minute, Rise: 1, Fall: 1}).CheckAll(t.Context())
	}
	check()
	fails = map[string]error{"a:1": fmt.Errorf("status 503: %w", health.ErrStandby)}
	check()
	check() // nothing new
	pool.SetMode(pool.Find("b:1"), health.ModeDrain)
	pool.Replace([]health.Spec{{Addr: "a:1", Weight: 3}, {Addr: "c:1"}})
	var many []health.Spec
	for i := range 9 {
		many = append(many, health.Spec{Addr: fmt.Sprintf("d%d:1", i)})
	}
	pool.Replace(many)
	var got []string
	for _, event := range e.all() {
		if event.Service != "rw" || time.Since(event.At) > time.Minute {
			t.Errorf("%+v", event)
		}
		got = append(got, strings.TrimSpace(event.Level+" "+event.Backend+" "+event.Text))
	}
	want := []string{
		"warn c:1 left", "warn a:1 left", "good  9 backends: each joined",
		"plain a:1;weight=3 has other options now", "warn b:1 left", "good c:1 joined",
		"good b:1 is up", "plain a:1 is standby: status 503: standby",
		"bad b:1 is down: no such luck",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Pins that each action of an operator is an event with the operator and the client, and
// that the status shows that there is a new one.
func TestEventsNameTheOperator(t *testing.T) {
	src := source(t)
	src.Events = &Events{}
	h := Handler(src)
	if last := decode[status](t, ask(h, "GET", "/api/status", "")).LastEvent; last != 0 {
		t.Errorf("the last event is %d before there is one", last)
	}
	ask(h, "POST", "/api/backends/a:1/drain", "")
	ask(h, "PUT", "/api/backends/a:1/weight", "7")
	ask(h, "POST", "/api/backends/a:1/close", "")
	ask(h, "POST", "/api/backends/a:1/explode", "") // does nothing
	events := decode[[]Event](t, ask(h, "GET", "/api/events", ""))
	if len(events) != 3 {
		t.Fatalf("%d events, want 3: %+v", len(events), events)
	}
	for i, want := range []string{"loses its 0 connections", "has weight 7, it had 1", "was set to drain"} {
		if e := events[i]; e.Text != want || e.Backend != "a:1" || e.By != "this machine" || e.Client != "127.0.0.1:50000" {
			t.Errorf("%+v, want %s", e, want)
		}
	}
	if last := decode[status](t, ask(h, "GET", "/api/status", "")).LastEvent; last != 3 {
		t.Errorf("the last event is %d, want 3", last)
	}
	if empty := ask(Handler(source(t)), "GET", "/api/events", "").Body.String(); empty != "[]\n" {
		t.Errorf("without events: %s", empty)
	}
}
