//go:build unix && !linux

package l4

import "syscall"

// TuneSocket does nothing on systems other than Linux, where the program runs
// only to be tried out.
func TuneSocket(_, _ string, _ syscall.RawConn) error { return nil }
