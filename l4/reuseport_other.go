//go:build unix && !linux

package l4

import (
	"errors"
	"fmt"
	"syscall"
)

// On other systems SO_REUSEPORT works differently, or connections cannot be steered.

func setReusePort(syscall.RawConn) error {
	return fmt.Errorf("share an address with another process: only on Linux: %w", errors.ErrUnsupported)
}

func (*Shared) others() ([]uint64, error) { return nil, errors.ErrUnsupported }
func (*Shared) steer(uint32) error        { return errors.ErrUnsupported }
