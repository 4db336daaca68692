package instance

import (
	"log/slog"
	"math"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"fourseven/internal/config"
	"fourseven/internal/loop"
)

// The part of the descriptor limit that client connections do not get: for listeners,
// logs and the admin address, for probes, for the pipes of bulk transfers, two
// descriptors each, and for connections to backends that L7 keeps unused.
const (
	keptBack      = 32
	keptListeners = 2  // of keptBack; further ones need two each: at the limit, each has a client that waits
	keptProbes    = 32 // of one service at most; with fewer backends one for each
	pipeShare     = 8  // an eighth of all descriptors, and no more than the loops use
	idleShare     = 8  // likewise, where L7 is on
)

// The memory that a process needs besides its connections, and that a busy connection may
// take.
const (
	baseMemory = 64 << 20
	connMemory = 32 << 10
)

// maxLimit is the most connections that the settings permit, too.
const maxLimit = 10_000_000

// resources are the limits of a process.
type resources struct {
	descriptors uint64
	memory      uint64 // in bytes
}

// ownResources returns what this process may have: its descriptor limit, and the least of
// its control groups' memory limits and the machine's memory.
func ownResources(logger *slog.Logger) resources {
	own := resources{descriptors: math.MaxInt64, memory: math.MaxInt64}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		logger.Warn("read the descriptor limit", "err", err)
	} else {
		own.descriptors = limit.Cur
	}
	if memory, err := memlimit.FromSystem(); err == nil {
		own.memory = memory
	}
	if memory, err := memlimit.FromCgroup(); err == nil { // an error: there is no limit
		own.memory = min(own.memory, memory)
	}
	return own
}

// limits are how many connections there may be at once.
type limits struct {
	conns int // of clients
	idle  int // to backends, that L7 keeps unused
	pipes int // of bulk transfers
}

// demand is the services' need of the resources besides client connections.
type demand struct {
	probes    int // backends that are probed at a time
	listeners int
	l7        bool // there is HTTP
}

// demands returns what services with these settings need.
func demands(cfg *config.Config) (d demand) {
	for _, s := range cfg.Services {
		d.probes += min(len(s.Backends), keptProbes)
		for _, addr := range []config.Address{s.L4Listen, s.L7Listen, s.L7RedirectListen} {
			if !addr.Off() {
				d.listeners++
			}
		}
		d.l7 = d.l7 || !s.L7Listen.Off()
	}
	return d
}

// limits returns how many client connections, each with one to a backend, the resources
// permit, at least 1; and which resource permits no more.
func (r resources) limits(d demand) (l limits, derivedFrom string) {
	kept := uint64(keptBack + d.probes + max(0, 2*(d.listeners-keptListeners)))
	l.pipes = int(min(r.descriptors/pipeShare/2, loop.MaxPipes))
	kept += uint64(2 * l.pipes)
	if d.l7 {
		l.idle = int(min(r.descriptors/idleShare, maxLimit))
		kept += uint64(l.idle)
	}
	byDescriptors := (r.descriptors - min(r.descriptors, kept)) / 2
	byMemory := (r.memory - min(r.memory, baseMemory)) / connMemory
	l.conns = int(max(1, min(byDescriptors, byMemory, maxLimit)))
	if byMemory < byDescriptors {
		return l, "memory"
	}
	return l, "descriptors"
}

// connLimits returns how many connections there may be at once, and logs what that is
// derived from.
func connLimits(cfg *config.Config, own resources, logger *slog.Logger) limits {
	l, derivedFrom := own.limits(demands(cfg))
	have := []any{"descriptors", own.descriptors, "memory_mib", own.memory >> 20}
	switch {
	case cfg.MaxConns == 0:
		logger.Info("connection limit", append([]any{"limit", l.conns, "derived_from", derivedFrom}, have...)...)
	case cfg.MaxConns > l.conns:
		logger.Warn("connection limit is above what the "+derivedFrom+" allow", append([]any{"limit", cfg.MaxConns, "allowed", l.conns}, have...)...)
		l.conns = cfg.MaxConns
	default:
		logger.Info("connection limit", append([]any{"limit", cfg.MaxConns, "derived_from", "LB_MAX_CONNS"}, have...)...)
		l.conns = cfg.MaxConns
	}
	for _, s := range cfg.Services {
		if s.MaxConns > l.conns {
			logger.Warn("limit of a service is above the process's, which it cannot exceed", "service", s.Name, "limit", s.MaxConns, "allowed", l.conns)
		}
	}
	return l
}

// idlePerService returns how many unused backend connections each service with HTTP may
// keep.
func (l limits) idlePerService(cfg *config.Config) int {
	n := 0
	for _, s := range cfg.Services {
		if !s.L7Listen.Off() {
			n++
		}
	}
	return max(1, l.idle/max(1, n))
}
