package admin

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fourseven/l4"
)

const (
	// listed is how many connections each of the two lists has.
	listed = 20
	// listAge is for how long a list is shown again, and listShare the part of the time
	// that making lists may take: they look at every open connection.
	listAge   = time.Second
	listShare = 20
)

// openConn is what /api/connections has of one.
type openConn struct {
	ID       string    `json:"id"`
	Service  string    `json:"service,omitempty"`
	Frontend string    `json:"frontend"`
	Client   string    `json:"client,omitempty"` // empty for Unix sockets
	Backend  string    `json:"backend,omitempty"`
	State    string    `json:"state"`
	Began    time.Time `json:"began"`
	Age      float64   `json:"age_seconds"`
	Received int64     `json:"received_bytes"`
	Sent     int64     `json:"sent_bytes"`
	Rate     float64   `json:"bytes_per_second"` // since the list before, or since it began
}

// connections is the response of /api/connections.
type connections struct {
	At      time.Time  `json:"at"`
	Longest []openConn `json:"longest"`
	Busiest []openConn `json:"busiest"`
}

// connLists makes lists of open connections, one at a time and not too often, however
// many ask.
type connLists struct {
	services []*Service

	mu   sync.Mutex
	last connections
	next time.Time // when a new list is made
}

func newConnLists(services []*Service) *connLists { return &connLists{services: services} }

func (c *connLists) show(w http.ResponseWriter, _ *http.Request) {
	show(w, http.StatusOK, c.list())
}

func (c *connLists) list() connections {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Before(c.next) {
		return c.last
	}
	c.last = c.made(now)
	c.next = time.Now().Add(max(listAge, listShare*time.Since(now)))
	return c.last
}

// made makes a new list.
func (c *connLists) made(now time.Time) connections {
	made := connections{At: now, Longest: []openConn{}, Busiest: []openConn{}}
	for _, s := range c.services {
		for _, f := range s.Frontends {
			list := l4.OpenConns{Limit: listed}
			f.List(&list)
			for _, conn := range list.Longest {
				made.Longest = append(made.Longest, describeConn(s, f.Name, conn, now))
			}
			for _, conn := range list.Busiest {
				made.Busiest = append(made.Busiest, describeConn(s, f.Name, conn, now))
			}
		}
	}
	slices.SortStableFunc(made.Longest, func(a, b openConn) int { return a.Began.Compare(b.Began) })
	slices.SortStableFunc(made.Busiest, func(a, b openConn) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(b.Received+b.Sent, a.Received+a.Sent))
	})
	made.Longest = made.Longest[:min(len(made.Longest), listed)]
	made.Busiest = made.Busiest[:min(len(made.Busiest), listed)]
	return made
}

func describeConn(s *Service, frontend string, c l4.OpenConn, now time.Time) openConn {
	d := openConn{
		ID:      fmt.Sprintf("%s.%d.%d", frontend, c.Loop, c.Number),
		Service: s.Name, Frontend: frontend, Backend: c.Backend, State: c.State,
		Began: c.Began, Age: max(0, now.Sub(c.Began).Seconds()), Received: c.Received, Sent: c.Sent, Rate: math.Round(c.Rate),
	}
	if s.Name != "" {
		d.ID = s.Name + "." + d.ID
	}
	if c.Client.IsValid() {
		d.Client = c.Client.String()
	}
	return d
}

// closeConn resets one connection: POST /api/connections/ID/close.
func (src *Source) closeConn(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s, f, index, number := src.parseConnID(id)
	if s == nil {
		fail(w, http.StatusNotFound, fmt.Sprintf("no open connection %q", id))
		return
	}
	c, ok := f.CloseConn(index, number)
	if !ok {
		fail(w, http.StatusNotFound, fmt.Sprintf("no open connection %q", id))
		return
	}
	d := describeConn(s, f.Name, c, time.Now())
	e := Event{Service: s.Name, Backend: d.Backend, Level: levelWarn, Text: "connection of " + cmp.Or(d.Client, "a local client") + " was closed"}
	src.record(r, "close", e, "connection", id, "of", d.Client)
	show(w, http.StatusOK, d)
}

// parseConnID returns what the ID of a connection refers to: NUMBER in LOOP of a frontend, as
// FRONTEND.LOOP.NUMBER, behind the name of the service if that has one. The service is nil if
// there is none.
func (src *Source) parseConnID(id string) (s *Service, f Frontend, index int, number uint64) {
	parts := strings.Split(id, ".")
	if len(parts) == 3 {
		parts = append([]string{""}, parts...)
	}
	if len(parts) != 4 {
		return nil, f, 0, 0
	}
	index, indexErr := strconv.Atoi(parts[2])
	number, err := strconv.ParseUint(parts[3], 10, 64)
	if err != nil || indexErr != nil {
		return nil, f, 0, 0
	}
	for _, s := range src.Services {
		for _, f := range s.Frontends {
			if s.Name == parts[0] && f.Name == parts[1] {
				return s, f, index, number
			}
		}
	}
	return nil, f, 0, 0
}
