package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailure     = 1 // it could not be measured, or figures are void
	exitUsage       = 2 // bad flags
	exitInterrupted = 130
)

func main() {
	if code, ok := runRole(os.Args[1:]); ok {
		os.Exit(code)
	}
	if err := extendPath(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(exitFailure)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// extendPath adds the folders where a distribution keeps servers, which are not
// on every user's PATH, and its python3, which a user's own may hide.
func extendPath() error {
	return os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/usr/bin")
}

// run is the program but for the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		writeUsage(stdout)
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "bench: %v\nbench: go run ./bench -h lists the flags, -list the names\n", err)
		return exitUsage
	case opts.list:
		writeNames(stdout)
		return exitOK
	}
	return exitCode(ctx, runBench(ctx, opts, stdout, stderr), stderr)
}

func exitCode(ctx context.Context, err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		_, _ = fmt.Fprintln(stderr, "bench: interrupted:", err)
		return exitInterrupted
	}
	_, _ = fmt.Fprintln(stderr, "bench:", err)
	return exitFailure
}

// runBench measures what opts select and writes the reports.
func runBench(ctx context.Context, opts options, stdout, stderr io.Writer) (err error) {
	outputs, err := openOutputs(opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, outputs.close()) }()
	rep, err := measureAll(ctx, opts, stderr)
	if err != nil {
		return err
	}
	if err := writeText(stdout, rep); err != nil {
		return err
	}
	if err := outputs.write(rep); err != nil {
		return err
	}
	if n := rep.voids(); n > 0 {
		return fmt.Errorf("void figures: %d, see the report", n)
	}
	return nil
}
