//go:build !linux

package health

import (
	"syscall"
	"time"
)

// UserTimeout is how long sent data may stay unacknowledged where the system
// lets it be set.
const UserTimeout = time.Minute

// TuneSocket does nothing on systems other than Linux, where the program runs
// for trying it out.
func TuneSocket(_, _ string, _ syscall.RawConn) error { return nil }
