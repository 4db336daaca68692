package health

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// MaxWeight is the largest weight of a backend: the ring holds a slot per unit
// of weight, so it bounds the ring's size.
const MaxWeight = 256

// Backend is one server that may take traffic. Its exported fields are set
// before it joins a Pool and do not change afterwards; its methods are safe for
// concurrent use.
type Backend struct {
	// Addr is what to dial, as host:port or unix:/path. It names the backend in
	// logs, metrics and answers, and is unique in a Pool.
	Addr string
	// Weight is the backend's share of the turns, 1 to MaxWeight.
	Weight int
	// MaxConns is how many connections and requests it may have at once; turns
	// beyond go to others. Zero is no limit.
	MaxConns int64
	// Backup keeps the backend from taking traffic while one that is no backup is up.
	Backup bool

	id   uint64 // the hash of Addr
	name string // the host that it was found by, or empty
	*vitals
}

// vitals is what becomes of a backend. Two Backends share it if they are the same
// address with other options, the one before a change of the list and the one
// after.
type vitals struct {
	active   atomic.Int64
	total    atomic.Uint64
	traffic  Traffic
	failures [numReasons]atomic.Uint64
	checks   [numCheckResults]atomic.Uint64
	changes  atomic.Uint64 // of its state
	mode     atomic.Uint32 // a Mode
	given    atomic.Int32  // the operator's weight, or 0

	// resolved is the address that the last good dial of a named host reached;
	// it spares a DNS lookup per connection. Nil for literal addresses.
	resolved atomic.Pointer[netip.AddrPort]

	// suspectc wakes the checker; it holds one wish at most.
	suspectc chan struct{}

	status atomic.Pointer[Status]

	// Guarded by Pool.mu.
	member    bool      // it is in the pool
	late      bool      // it joined when others took traffic
	recovered time.Time // when its weight began to grow; zero if it need not
	wavered   int       // streaks of probes that ended without a change of state
	lastErr   error     // of the last failed probe
	telling   telling
}

// Traffic counts the bytes between clients and a backend, as they move: Received
// those from clients, Sent those to clients.
type Traffic struct{ Received, Sent atomic.Int64 }

// Status is what the last probes said of a backend: an immutable snapshot.
type Status struct {
	// State is up or down, or unknown before the first probe.
	State State
	// Since is when State last changed.
	Since time.Time
	// Streak counts the latest consecutive probes that contradict State.
	Streak int
	// ProbedAt, Latency and Err tell of the last probe. Err is nil if it passed.
	ProbedAt time.Time
	Latency  time.Duration
	Err      error
}

// State says whether a backend may take traffic.
type State uint8

// The states of a backend.
const (
	Unknown State = iota
	Up
	Down
)

// String returns the state's word as it stands in logs.
func (s State) String() string {
	return [...]string{"unknown", "up", "down"}[s]
}

// ParseBackend reads one entry of a backend list: host:port, with http:// or
// tcp:// in front accepted, or unix:/path, followed by options set off by
// semicolons:
//
//	db1:5432;weight=3;max_conns=100;backup
//
// The error says what was expected, and does not repeat s.
func ParseBackend(s string) (*Backend, error) {
	addr, options, _ := strings.Cut(s, ";")
	addr, err := parseAddr(strings.TrimSpace(addr))
	if err != nil {
		return nil, err
	}
	b := NewBackend(addr)
	if err := b.setOptions(options); err != nil {
		return nil, err
	}
	return b, nil
}

// NewBackend returns a backend of weight 1 at addr, a host:port.
func NewBackend(addr string) *Backend {
	b := &Backend{Addr: addr, Weight: 1, id: hashString(addr), vitals: &vitals{suspectc: make(chan struct{}, 1)}}
	b.status.Store(&Status{})
	return b
}

// unixPrefix stands before the path of a Unix socket.
const unixPrefix = "unix:"

// SplitAddr returns the network, tcp or unix, and the address in it.
func SplitAddr(addr string) (network, address string) {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		return "unix", path
	}
	return "tcp", addr
}

func parseAddr(s string) (string, error) {
	if !utf8.ValidString(s) { // no metric could have it for a label
		return "", fmt.Errorf("expected an address in UTF-8")
	}
	if network, path := SplitAddr(s); network == "unix" {
		if !filepath.IsAbs(path) {
			return "", fmt.Errorf("expected an absolute path, as in unix:/run/db.sock")
		}
		return unixPrefix + filepath.Clean(path), nil
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if scheme != "http" && scheme != "tcp" {
			return "", fmt.Errorf("unknown scheme %q, expected http://, tcp://, dns:// or srv://, or none", scheme)
		}
		s = strings.TrimSuffix(rest, "/")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return "", fmt.Errorf("expected host:port or unix:/path")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("expected a port from 1 to 65535 after the host")
	}
	if strings.ContainsAny(host, "/@?# \t") {
		return "", fmt.Errorf("expected host:port, without a path or user")
	}
	return net.JoinHostPort(canonicalHost(host), strconv.FormatUint(n, 10)), nil
}

// canonicalHost returns the one spelling of a host: backends are told apart, and
// hashed on every instance, by their addresses' text.
func canonicalHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().String()
	}
	return strings.ToLower(host)
}

func (b *Backend) setOptions(options string) error {
	for option := range strings.SplitSeq(options, ";") {
		if err := b.setOption(strings.TrimSpace(option)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) setOption(option string) error {
	name, value, _ := strings.Cut(option, "=")
	switch name {
	case "":
		return nil
	case "backup":
		if option != name {
			return fmt.Errorf("option %s: expected backup without a value", option)
		}
		b.Backup = true
		return nil
	case "weight":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > MaxWeight {
			return fmt.Errorf("option weight=%s: expected a whole number from 1 to %d", value, MaxWeight)
		}
		b.Weight = n
		return nil
	case "max_conns":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 1 {
			return fmt.Errorf("option max_conns=%s: expected a whole number from 1", value)
		}
		b.MaxConns = n
		return nil
	}
	return fmt.Errorf("unknown option %q, expected weight=N, max_conns=N or backup", name)
}

// Status returns the snapshot that the last probe left.
func (b *Backend) Status() Status { return *b.status.Load() }

// Active returns how many connections or requests the backend has now.
func (b *Backend) Active() int64 { return b.active.Load() }

// Total returns how many connections and requests the backend was given since it
// joined.
func (b *Backend) Total() uint64 { return b.total.Load() }

// Count counts a connection or request, once there is a connection for it.
func (b *Backend) Count() { b.total.Add(1) }

// Traffic returns the backend's counters, for those who move its bytes.
func (b *Backend) Traffic() *Traffic { return &b.traffic }

// Failures returns how many dials of the backend failed for that reason.
func (b *Backend) Failures(r Reason) uint64 { return b.failures[r].Load() }

// Checks returns how many probes of the backend went that way.
func (b *Backend) Checks(r CheckResult) uint64 { return b.checks[r].Load() }

// Changes returns how often the backend came up or went down, without the first
// time that its state was found out.
func (b *Backend) Changes() uint64 { return b.changes.Load() }

// Suspect asks for a probe of the backend without waiting for its turn. It
// never blocks, and many calls make one probe.
func (b *Backend) Suspect() {
	select {
	case b.suspectc <- struct{}{}:
	default:
	}
}

// Release ends what Turn.Next began. It must be called exactly once for each
// backend that Next returned.
func (b *Backend) Release() { b.active.Add(-1) }

// acquire takes a place, unless the backend has all that it may have.
func (b *Backend) acquire() bool {
	if b.MaxConns == 0 {
		b.active.Add(1)
		return true
	}
	for n := b.active.Load(); n < b.MaxConns; n = b.active.Load() {
		if b.active.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// full reports whether the backend has all the connections that it may have.
func (b *Backend) full() bool { return b.MaxConns > 0 && b.active.Load() >= b.MaxConns }

// sameOptions reports whether both take the same share.
func (b *Backend) sameOptions(other *Backend) bool {
	return b.Weight == other.Weight && b.MaxConns == other.MaxConns && b.Backup == other.Backup
}

// String returns the entry of a backend list that ParseBackend reads.
func (b *Backend) String() string { return b.Addr + b.options() }

func (b *Backend) options() string {
	s := ""
	if b.Weight > 1 {
		s += fmt.Sprintf(";weight=%d", b.Weight)
	}
	if b.MaxConns != 0 {
		s += fmt.Sprintf(";max_conns=%d", b.MaxConns)
	}
	if b.Backup {
		s += ";backup"
	}
	return s
}
