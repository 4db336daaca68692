package admin

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
	"fourseven/internal/config"
	"fourseven/l4"
)

// Source is what the pages show, and what they change. Fields are required
// unless their comment says otherwise; functions are safe for concurrent use.
type Source struct {
	// Services are at least one. If it is the only one and has no name, nothing shows
	// that there are services: no label, no attribute, no path has a name of one.
	Services []*Service
	// Registry takes the metrics.
	Registry *prometheus.Registry
	// Draining reports whether the shutdown has begun.
	Draining func() bool
	// Stalls returns how often an event loop has been held up.
	Stalls func() uint64
	// Dropped returns how many lines the log has lost.
	Dropped func() uint64

	// Reloads returns how often settings were read again. Each is a series of
	// lb_reloads_total.
	Reloads func() []Reload
	// Events are shown, and take one for each change that an operator makes. If nil, there
	// are none.
	Events *Events
	// History has the charts of the last minutes. If nil, there are none.
	History *History
	// Logger takes a line for each change that an operator makes. If nil, nothing is
	// logged.
	Logger *slog.Logger

	Version string
	Started time.Time
	// Hostname is this machine's name, under which requests from this machine may ask,
	// besides by address and as localhost.
	Hostname string
	// Limit is how many client connections there may be at once; 0 is no limit.
	Limit int
	// Token is what requests that change something must bear. If empty, they must
	// come from this machine.
	Token string
	// Settings returns what is shown as it is: secrets must be masked.
	Settings func() []config.Setting
}

// Service is one pool and the frontends that give it traffic.
type Service struct {
	Name     string // may be empty if it is the only one
	Pool     *health.Pool
	Counters *Counters
	// Close resets the live connections to a backend, rate of them a second. It
	// returns at once how many there are.
	Close func(b *health.Backend, rate int) int
	// Lookups returns the number of DNS lookups with this result.
	Lookups func(health.LookupResult) uint64
	// Limit is how many client connections the service may have at once; 0 is no limit
	// but that of the Source.
	Limit int
	// Certificates returns those that clients are shown. If nil, there are none.
	Certificates func() []Certificate
	// Frontends are those that are on.
	Frontends []Frontend
	// InFlight returns how many HTTP requests are in flight. It is nil if there is no HTTP.
	InFlight func() int
}

// Reload counts how often one setting was read again with one result.
type Reload struct {
	Setting, Result string // such as LB_BACKENDS and refused
	Count           uint64
	// At is when it last happened, and Error why it was refused then.
	At    time.Time
	Error string
}

// The results of reading a setting again.
const (
	ReloadOK      = "ok"
	ReloadRefused = "refused" // the old value still holds
)

// Frontend is one that clients connect to.
type Frontend struct {
	Name  string // l4 or l7
	Addr  string
	TLS   bool // whether it ends the clients' TLS
	Stats func() l4.Stats
	// Recent is Stats at a cost that does not grow with the open connections: what they
	// have moved may be a few seconds old.
	Recent func() l4.Stats
	// List considers the open connections for a list. It is not called concurrently.
	List func(*l4.OpenConns)
	// CloseConn resets one connection, by the Loop and Number of an l4.OpenConn, and returns
	// what it was. It reports false if no such connection is open.
	CloseConn func(loop int, number uint64) (l4.OpenConn, bool)
}
