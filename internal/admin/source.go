package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
	"fourseven/internal/config"
	"fourseven/l4"
)

// Source is what the pages tell of, and what they steer. Fields are required
// unless their comment says otherwise; functions are safe for concurrent use.
type Source struct {
	Pool     *health.Pool
	Counters *Counters
	// Registry takes the metrics.
	Registry *prometheus.Registry
	// Draining reports whether the shutdown has begun.
	Draining func() bool
	// Close resets the live connections to a backend, rate of them a second. It
	// returns at once how many there are.
	Close func(b *health.Backend, rate int) int
	// Lookups returns how many lookups of names went that way.
	Lookups func(health.LookupResult) uint64
	// Dropped returns how many lines the log has lost.
	Dropped func() uint64

	Version string
	Started time.Time
	// Limit is how many client connections there may be at once; 0 is no limit.
	Limit int
	// Token is what requests that change something must bear. If empty, they must
	// come from this machine.
	Token string
	// Frontends are those that are on.
	Frontends []Frontend
	// InFlight returns how many HTTP requests live. It is nil if there is no HTTP.
	InFlight func() int
	// Settings returns what is shown as it is: secrets must be masked.
	Settings func() []config.Setting
}

// Frontend is one that clients connect to.
type Frontend struct {
	Name  string // l4 or l7
	Addr  string
	Stats func() l4.Stats
}
