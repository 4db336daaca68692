// Command fourseven is a TCP (L4) load balancer with an HTTP (L7) mode beside
// it, configured by environment variables alone. See README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"fourseven/health"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = ""

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // something failed while running
	exitUsage   = 2 // bad settings or arguments
)

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the program but for the process around it.
func run(args, environ []string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if len(args) > 0 {
		return usageError(stderr, fmt.Sprintf("%s takes no arguments, got %q", command, args[0]))
	}
	switch command {
	case "":
		return runServer(environ, stdout, stderr)
	case "demo":
		return runDemo(environ, stdout, stderr)
	case "check":
		return runCheck(environ, stdout, stderr)
	case "healthcheck":
		return runHealthcheck(environ, stderr)
	case "version", "-version", "--version":
		_, _ = fmt.Fprintln(stdout, "fourseven", programVersion())
		return exitOK
	case "help", "-h", "-help", "--help":
		return exitCode(writeHelp(stdout), stderr)
	}
	return usageError(stderr, fmt.Sprintf("unknown command %q, expected demo, check, healthcheck, version or help, or none to run", command))
}

func usageError(stderr io.Writer, text string) int {
	_, _ = fmt.Fprintln(stderr, "fourseven:", text)
	return exitUsage
}

func exitCode(err error, stderr io.Writer) int {
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "fourseven:", err)
		return exitFailure
	}
	return exitOK
}

// runServer serves until a signal ends it.
func runServer(environ []string, stdout, stderr io.Writer) int {
	cfg, err := loadConfig(environ)
	if err != nil {
		return usageError(stderr, err.Error())
	}
	log, errs := newSink(stdout, cfg.LogFormat), newSink(stderr, cfg.LogFormat)
	defer errs.close()
	err = newInstance(&cfg, log).run(nil)
	log.close() // what it says comes before what it ended with
	return exitCode(err, errs)
}

func runCheck(environ []string, stdout, stderr io.Writer) int {
	cfg, err := loadConfig(environ)
	if err != nil {
		return usageError(stderr, err.Error())
	}
	return exitCode(cfg.writeEffective(stdout), stderr)
}

// runHealthcheck asks the instance beside it whether it lives, for a scratch
// image's HEALTHCHECK.
func runHealthcheck(environ []string, stderr io.Writer) int {
	if !hasBackends(environ) {
		environ = append(environ, "LB_BACKENDS=unused:1") // only the admin address matters here
	}
	cfg, err := loadConfig(environ)
	if err != nil {
		return usageError(stderr, err.Error())
	}
	return exitCode(askHealthz(cfg.AdminListen), stderr)
}

// hasBackends reports whether the environment names backends.
func hasBackends(environ []string) bool {
	return slices.ContainsFunc(environ, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "LB_BACKENDS" || name == "LB_BACKENDS_FILE"
	})
}

func askHealthz(listen address) error {
	if listen.off() {
		return fmt.Errorf("healthcheck: LB_ADMIN_LISTEN is off, there is nothing to ask")
	}
	transport := &http.Transport{ // no proxy from the environment
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			network, addr := health.SplitAddr(string(listen))
			return new(net.Dialer).DialContext(ctx, network, addr) // without a host it dials this machine
		},
	}
	client := http.Client{Timeout: 3 * time.Second, Transport: transport}
	resp, err := client.Get("http://fourseven/healthz")
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("healthcheck: status %d", resp.StatusCode)
	}
	return nil
}

// programVersion is the linker's, or else the module's or commit's.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return info.Main.Version
}
