package instance

import (
	"context"
	"net"
	"slices"
	"strings"

	"fourseven/internal/config"
	"fourseven/l4"
	"fourseven/l7"
)

// front is a listener of services and the server that accepts on it: that of its service,
// or where a name decides which service gets a connection or request, one that routes to
// those of the services.
type front struct {
	config.Listener
	services []*service // those of the Listener
	server
	ln net.Listener // nil while it is not open
}

// server is the common interface of the servers of both frontends.
type server interface {
	Serve(ln net.Listener) error
	Shutdown(ctx context.Context) error
	Active() int
	Stats() l4.Stats
	RecentStats() l4.Stats
	List(list *l4.OpenConns)
	CloseConn(loop int, number uint64) (l4.OpenConn, bool)
}

// newFronts returns the listeners that the settings ask for.
func (in *Instance) newFronts() (all []*front) {
	for _, l := range in.cfg.ServiceListeners() {
		f := &front{Listener: l}
		for _, s := range in.services {
			if slices.Contains(l.Services, s.cfg) {
				f.services = append(f.services, s)
				s.fronts = append(s.fronts, f)
			}
		}
		f.server = in.serverOf(f)
		all = append(all, f)
	}
	return all
}

// serverOf returns the server that accepts on the listener.
func (in *Instance) serverOf(f *front) server {
	switch {
	case f.ByName() && f.Frontend == "l4":
		return in.newL4Router(f)
	case f.ByName():
		return in.newL7Router(f)
	case f.Frontend == "l4":
		return f.services[0].l4
	}
	return f.services[0].l7
}

// routes reports whether its server is one that routes.
func (f *front) routes() bool { return f.server != f.services[0].server(f.Frontend) }

// home returns the service that counts the connections and requests without a service: the
// fallback, or else the first.
func (f *front) home() *service {
	if s := f.fallback(); s != nil {
		return s
	}
	return f.services[0]
}

// fallback returns the service that gets the connections or requests for names that are not
// set, or nil.
func (f *front) fallback() *service {
	i := slices.IndexFunc(f.services, func(s *service) bool { return !f.Named(s.cfg) })
	if i < 0 {
		return nil
	}
	return f.services[i]
}

// newL4Router returns a server that routes connections to services by the name in the
// hello.
func (in *Instance) newL4Router(f *front) *l4.Server {
	routes := &l4.Routes{HelloTimeout: f.services[0].cfg.L4HelloTimeout}
	if s := f.fallback(); s != nil {
		routes.Default = s.l4
	}
	var others []*l4.Server
	for _, s := range f.services {
		others = append(others, s.l4)
		for _, c := range f.Claims(s.cfg) {
			routes.Names.Add(c.Host, s.l4)
		}
	}
	home := f.home()
	router := &l4.Server{
		Loops: in.loops, Gate: newGate(f.services[0].cfg), Slots: in.slots, Logger: in.logger,
		Ended: connEnded(home.counters, in.access),
	}
	router.RouteTo(routes, others...)
	return router
}

// newL7Router returns a server that routes requests to services by their hosts and paths.
func (in *Instance) newL7Router(f *front) *l7.Server {
	routes := &l7.Routes{}
	if s := f.fallback(); s != nil {
		routes.Default = s.l7
	}
	var others []*l7.Server
	for _, s := range f.services {
		others = append(others, s.l7)
		for _, c := range f.Claims(s.cfg) {
			routes.Add(c.Host, c.Path, s.l7)
		}
	}
	home, first := f.home(), f.services[0].cfg
	router := &l7.Server{
		Loops: in.loops, Gate: newGate(first), Slots: in.slots, Logger: in.logger,
		HeaderTimeout: first.L7HeaderTimeout, IdleTimeout: first.L7IdleTimeout, MaxHeader: int(first.L7MaxHeader),
		LastRequest: lastRequest(in.cfg),
		TLS:         home.l7.TLS,
		Ended:       home.counters.L7Ended,
		Served:      requestServed(home.counters, in.access),
	}
	router.RouteTo(routes, others...)
	return router
}

// stats returns what the service's own server and, at its home, the router have counted.
func (f *front) stats(s *service, of func(server) l4.Stats) l4.Stats {
	sum := of(s.server(f.Frontend))
	if f.routes() && f.home() == s {
		sum = sum.Plus(of(f.server))
	}
	return sum
}

// active returns what the service's own server and, at its home, the router have open.
func (f *front) active(s *service) int {
	n := s.server(f.Frontend).Active()
	if f.routes() && f.home() == s {
		n += f.Active()
	}
	return n
}

// active returns how many L4 connections or HTTP requests the service has open.
func (s *service) active(frontend string) (n int) {
	for _, f := range s.fronts {
		if f.Frontend == frontend {
			n += f.active(s)
		}
	}
	return n
}

// namesOf returns the names of services, for the log.
func namesOf(services []*service) string {
	var names []string
	for _, s := range services {
		names = append(names, s.cfg.Name)
	}
	return strings.Join(names, ",")
}
