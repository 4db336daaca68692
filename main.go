// Command fourseven is a TCP (L4) load balancer with an HTTP (L7) mode beside
// it, configured by environment variables alone. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"

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
	switch command {
	case "healthcheck":
		return runHealthcheck(args, environ, stderr)
	case "help", "-h", "-help", "--help":
		return runHelp(args, stdout, stderr)
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
	case "version", "-v", "-version", "--version":
		_, _ = fmt.Fprintln(stdout, "fourseven", programVersion())
		return exitOK
	}
	return usageError(stderr, fmt.Sprintf("unknown command %q, expected demo, check, healthcheck, version or help, or none to run", command))
}

func runHelp(args []string, stdout, stderr io.Writer) int {
	switch len(args) {
	case 0:
		return exitCode(config.WriteHelp(stdout), stderr)
	case 1:
		if err := config.WriteSettingHelp(stdout, args[0]); err != nil {
			return usageError(stderr, err.Error())
		}
		return exitOK
	}
	return usageError(stderr, fmt.Sprintf("help takes the name of one setting, got %q", args))
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

// settingsError reports the faults of the settings: a line each, in the format of the
// log.
func settingsError(cfg *config.Config, err error, stderr io.Writer) int {
	if cfg.LogFormat != "json" {
		return usageError(stderr, err.Error())
	}
	logger := slog.New(logging.NewHandler(stderr, cfg.LogFormat, slog.LevelError))
	var faults *multierror.Error
	if !errors.As(err, &faults) {
		faults = multierror.Append(nil, err)
	}
	for _, fault := range faults.Errors {
		logger.Error("bad setting", "err", fault)
	}
	return exitUsage
}

// ended reports how a run ended, in the format of the log.
func ended(cfg *config.Config, err error, stderr io.Writer) int {
	if err != nil && cfg.LogFormat == "json" {
		slog.New(logging.NewHandler(stderr, cfg.LogFormat, slog.LevelError)).Error("failed", "err", err)
		return exitFailure
	}
	return exitCode(err, stderr)
}

// runServer serves until a signal ends it.
func runServer(environ []string, stdout, stderr io.Writer) int {
	cfg, err := config.Load(environ)
	if err != nil {
		return settingsError(&cfg, err, stderr)
	}
	log, errs := logging.NewSink(stdout, cfg.LogFormat), logging.NewSink(stderr, cfg.LogFormat)
	defer errs.Close()
	err = instance.New(&cfg, programVersion(), log).Run(nil)
	log.Close() // its last lines come before the error
	return ended(&cfg, err, errs)
}

// runDemo serves like runServer, in front of two backends of its own.
func runDemo(environ []string, stdout, stderr io.Writer) int {
	if isSet(environ, "LB_BACKENDS") {
		return usageError(stderr, "LB_BACKENDS is set, but the demo brings its own backends: unset it, or run without demo")
	}
	if isSet(environ, "LB_SERVICES") {
		return usageError(stderr, "LB_SERVICES is set, but the demo is one service: unset it, or run without demo")
	}
	backends, stop, err := demo.StartBackends(2)
	if err != nil {
		return exitCode(err, stderr)
	}
	defer stop()
	own := append(onLoopback(environ), "LB_BACKENDS="+strings.Join(backends, ","))
	cfg, err := config.Load(append(own, environ...))
	if err != nil {
		return settingsError(&cfg, err, stderr)
	}
	log, out := logging.NewSink(stderr, cfg.LogFormat), logging.NewSink(stdout, cfg.LogFormat)
	defer log.Close()
	defer out.Close()
	ready := func(on instance.Addrs) { // below the log's first lines
		time.AfterFunc(2*logging.BatchPause, func() { demo.Print(out, backends, on) })
	}
	return ended(&cfg, instance.New(&cfg, programVersion(), log).Run(ready), log)
}

// onLoopback returns listeners for a demo, which is for this machine alone, unless the
// environment has its own.
func onLoopback(environ []string) (own []string) {
	for name, addr := range map[string]string{"LB_L4_LISTEN": "127.0.0.1:9000", "LB_L7_LISTEN": "127.0.0.1:8000"} {
		if !isSet(environ, name) {
			own = append(own, name+"="+addr)
		}
	}
	return own
}

// isSet reports whether the environment has a setting, itself or as a file.
func isSet(environ []string, setting string) bool {
	return slices.ContainsFunc(environ, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return strings.TrimSuffix(name, "_FILE") == setting
	})
}

func runCheck(environ []string, stdout, stderr io.Writer) int {
	cfg, err := config.Load(environ)
	if err != nil {
		return settingsError(&cfg, err, stderr)
	}
	return exitCode(cfg.WriteEffective(stdout), stderr)
}

// runHealthcheck asks the instance beside it for /healthz, for a scratch image's
// HEALTHCHECK, or with --ready for /readyz.
func runHealthcheck(args, environ []string, stderr io.Writer) int {
	path := "/healthz"
	switch {
	case len(args) == 1 && (args[0] == "--ready" || args[0] == "-ready"):
		path = "/readyz"
	case len(args) > 0:
		return usageError(stderr, fmt.Sprintf("healthcheck takes --ready or nothing, got %q", args[0]))
	}
	listen, err := config.LoadAdminListen(environ)
	if err != nil {
		return usageError(stderr, err.Error())
	}
	return exitCode(ask(listen, path), stderr)
}

func ask(listen config.Address, path string) error {
	if listen.Off() {
		return fmt.Errorf("healthcheck: LB_ADMIN_LISTEN is off, there is nothing to ask")
	}
	transport := &http.Transport{ // no proxy from the environment
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			network, addr := listen.Dial()
			return new(net.Dialer).DialContext(ctx, network, addr) // without a host it dials this machine
		},
	}
	client := http.Client{Timeout: 3 * time.Second, Transport: transport}
	resp, err := client.Get("http://localhost" + path)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("healthcheck: status %d: %s", resp.StatusCode, strings.TrimSpace(string(text)))
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
