package main

import "syscall"

// ownGroup starts a process in a group of its own. If the bench is killed, the process
// gets SIGTERM rather than SIGKILL, so that a master can take its workers with it.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
