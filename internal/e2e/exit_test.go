package e2e

// The program's exit codes, as the README has them.
const (
	exitOK      = 0
	exitFailure = 1 // something failed while running
	exitUsage   = 2 // bad settings or arguments
)
