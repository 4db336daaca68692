package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// openFiles returns how many descriptors a process may have that asks for all
// that it is allowed, within reason.
func openFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return min(limit.Max, 1<<16)
}

// raiseOpenFiles lets the programs that are started have as many descriptors,
// because not every one of them asks. Go would give them the limit that the user
// had set, unless it has been set here.
func raiseOpenFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	limit.Cur = openFiles()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	return nil
}
