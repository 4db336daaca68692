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
	"fourseven/internal/config"
	"fourseven/internal/demo"
	"fourseven/internal/instance"
	"fourseven/internal/logging"
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
		return exitCode(config.WriteHelp(stdout), stderr)
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
	cfg, err := config.Load(environ)
	if err != nil {
		return usageError(stderr, err.Error())
	}
	log, errs := logging.NewSink(stdout, cfg.LogFormat), logging.NewSink(stderr, cfg.LogFormat)
	defer errs.Close()
	err = instance.New(&cfg, programVersion(), log).Run(nil)
	log.Close() // its last lines come before the error
	return exitCode(err, errs)
}

// runDemo serves like runServer, in front of two backends of its own.
func runDemo(environ []string, stdout, stderr io.Writer) int {
	if hasBackends(environ) {
		return usageError(stderr, "LB_BACKENDS is set, but the demo brings its own backends: unset it, or run without demo")
	}
	backends, stop, err := demo.StartBackends(2)
	if err != nil {
		return exitCode(err, stderr)
	}
	defer stop()
	cfg, err := config.Load(append(environ, "LB_BACKENDS="+strings.Join(backends, ",")))
	if err != nil {
		return usageError(stderr, err.Error())
	}
	log, out := logging.NewSink(stderr, cfg.LogFormat), logging.NewSink(stdout, cfg.LogFormat)
	defer log.Close()
	defer out.Close()
	ready := func(on instance.Addrs) { // below the log's first lines
		time.AfterFunc(2*logging.BatchPause, func() { demo.Print(out, backends, on) })
	}
	return exitCode(instance.New(&cfg, programVersion(), log).Run(ready), log)
}

// hasBackends reports whether the environment names backends.
func hasBackends(environ []string) bool {
	return slices.ContainsFunc(environ, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "LB_BACKENDS" || name == "LB_BACKENDS_FILE"
	})
}

func runCheck(environ []string, stdout, stderr io.Writer) int {
	cfg, err := config.Load(environ)
	if err != nil {
		return usageError(stderr, err.Error())
	}
	return exitCode(cfg.WriteEffective(stdout), stderr)
}

// runHealthcheck asks the instance beside it for /healthz, for a scratch image's
// HEALTHCHECK.
func runHealthcheck(environ []string, stderr io.Writer) int {
	listen, err := config.LoadAdminListen(environ)
	if err != nil {
		return usageError(stderr, err.Error())
	}
	return exitCode(askHealthz(listen), stderr)
}

func askHealthz(listen config.Address) error {
	if listen.Off() {
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
