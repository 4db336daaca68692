package admin

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"fourseven/health"
)

// How many events are kept: in all, and of one backend, so that one that comes and goes does
// not push out all others.
const (
	maxEvents           = 100
	maxEventsOfABackend = 20
	// maxEventText bounds the text of an event: some of it may be a backend's.
	maxEventText = 300
)

// Event is something that happened to the program, to a service or to a backend.
type Event struct {
	ID      uint64    `json:"id"` // one higher than that of the event before
	At      time.Time `json:"at"`
	Service string    `json:"service,omitempty"`
	Backend string    `json:"backend,omitempty"` // the subject of Text, if there is one
	Level   string    `json:"level"`             // good, plain, warn or bad
	Text    string    `json:"text"`              // such as "was set to drain"
	// By is "token" or "this machine" if an operator did it, and Client the address that
	// the request came from.
	By     string `json:"by,omitempty"`
	Client string `json:"client,omitempty"`
}

// The levels of events.
const (
	levelGood  = "good"
	levelPlain = "plain"
	levelWarn  = "warn"
	levelBad   = "bad"
)

// Events keeps the latest events. The zero value is empty, and a nil Events keeps none. It is
// safe for concurrent use.
type Events struct {
	mu   sync.Mutex
	last uint64  // the ID
	kept []Event // the oldest first
}

// Note adds an event of the program itself, a good one or one that needs a look.
func (e *Events) Note(good bool, text string) {
	level := levelWarn
	if good {
		level = levelGood
	}
	e.add(Event{Level: level, Text: text})
}

// add adds an event, and gives it its ID and time.
func (e *Events) add(event Event) {
	if e == nil {
		return
	}
	if len(event.Text) > maxEventText {
		event.Text = strings.ToValidUTF8(event.Text[:maxEventText], "") + "..."
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	event.ID, event.At = e.last, time.Now()
	if event.Backend != "" {
		e.thinLocked(event)
	}
	e.kept = append(e.kept, event)
	if len(e.kept) > maxEvents {
		e.kept = slices.Delete(e.kept, 0, len(e.kept)-maxEvents)
	}
}

// thinLocked drops the oldest event of the new one's backend if that has too many.
func (e *Events) thinLocked(event Event) {
	first, n := -1, 0
	for i, old := range e.kept {
		if old.Backend != event.Backend || old.Service != event.Service {
			continue
		}
		if n++; first < 0 {
			first = i
		}
	}
	if n >= maxEventsOfABackend {
		e.kept = slices.Delete(e.kept, first, first+1)
	}
}

// all returns the events, the latest first.
func (e *Events) all() []Event {
	all := []Event{}
	if e == nil {
		return all
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	all = append(all, e.kept...)
	slices.Reverse(all)
	return all
}

// latest returns the ID of the latest event, 0 if there is none.
func (e *Events) latest() uint64 {
	if e == nil {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// Transition adds the event that a pool's transition is, if it is one. What an operator does
// is an event of the request.
func (e *Events) Transition(service string, t health.Transition) {
	switch t.Kind {
	case health.Probed:
		e.probed(service, t)
	case health.ActiveChanged:
		if t.WasActive != nil {
			e.add(Event{Service: service, Backend: t.Backend.Addr, Level: levelWarn, Text: "takes all connections now"})
		}
	case health.ListChanged:
		e.listed(Event{Service: service, Level: levelGood}, t.Added, "joined")
		e.listed(Event{Service: service, Level: levelWarn}, t.Removed, "left")
		e.listed(Event{Service: service, Level: levelPlain}, t.Altered, "has other options now")
	}
}

// probed adds the event of a state that changed. That a backend is up when it is probed for
// the first time is none.
func (e *Events) probed(service string, t health.Transition) {
	was, now := t.Was.State, t.Now.State
	if was == now || was == health.Unknown && now == health.Up {
		return
	}
	event := Event{Service: service, Backend: t.Backend.Addr, Level: levelBad, Text: "is " + now.String()}
	switch now {
	case health.Up:
		event.Level = levelGood
	case health.Standby:
		event.Level = levelPlain
	}
	if t.Now.Err != nil {
		event.Text += ": " + t.Now.Err.Error()
	}
	e.add(event)
}

// listed adds one event for each backend, or one for all if they are many.
func (e *Events) listed(event Event, addrs []string, text string) {
	const many = 5
	if len(addrs) > many {
		event.Text = fmt.Sprintf("%d backends: each %s", len(addrs), text)
		e.add(event)
		return
	}
	for _, addr := range addrs {
		event.Backend, event.Text = addr, text
		e.add(event)
	}
}
