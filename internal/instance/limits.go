package instance

import (
	"log/slog"
	"math"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"fourseven/internal/config"
)

// What is kept back of the descriptor limit: for listeners, logs and the admin
// address, for probes, for the pipes of bulk transfers, two descriptors each, and for
// connections to backends that L7 keeps unused.
const (
	keptBack   = 32
	keptProbes = 32 // at most; with fewer backends one for each
	pipeShare  = 8  // an eighth of all descriptors
	idleShare  = 8  // likewise, where L7 is on
)

// What a process needs besides its connections, and what a busy connection may take.
const (
	baseMemory = 64 << 20
	connMemory = 32 << 10
)

// maxLimit is the most connections that the settings permit, too.
const maxLimit = 10_000_000

// resources are what a process may have.
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
}

// limits returns how many client connections, each with one to a backend, the resources
// permit, at least 1; and which resource permits no more.
func (r resources) limits(backends int, l7 bool) (l limits, derivedFrom string) {
	kept := uint64(keptBack + min(backends, keptProbes))
	kept += r.descriptors / pipeShare
	if l7 {
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
	fits, derivedFrom := own.limits(len(cfg.Backends), !cfg.L7Listen.Off())
	have := []any{"descriptors", own.descriptors, "memory_mib", own.memory >> 20}
	switch {
	case cfg.MaxConns == 0:
		logger.Info("connection limit", append([]any{"limit", fits.conns, "derived_from", derivedFrom}, have...)...)
		return fits
	case cfg.MaxConns > fits.conns:
		logger.Warn("connection limit is above what the "+derivedFrom+" allow", append([]any{"limit", cfg.MaxConns, "allowed", fits.conns}, have...)...)
	default:
		logger.Info("connection limit", append([]any{"limit", cfg.MaxConns, "derived_from", "LB_MAX_CONNS"}, have...)...)
	}
	return limits{conns: cfg.MaxConns, idle: fits.idle}
}
