package main

import (
	"fmt"
	"os"
)

// The roles in which this program starts itself again. They stand where a flag
// would, and no flag is spelled so.
const (
	roleBackends = "role:backends"
	roleStdlib   = "role:stdlib"
	roleFasthttp = "role:fasthttp"
)

// runRole plays the role that args name, until it is killed. ok is false if they
// name none.
func runRole(args []string) (code int, ok bool) {
	if len(args) == 0 {
		return 0, false
	}
	var err error
	switch args[0] {
	case roleBackends:
		err = serveBackends(os.Stdout)
	case roleStdlib:
		err = serveStdlib(args[1:])
	case roleFasthttp:
		err = serveFasthttp(args[1:])
	default:
		return 0, false
	}
	_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
	return exitFailure, true
}
