package main

import (
	"log/slog"
	"runtime"
)

// announce says, before anything else, what was configured, and what of it has no
// effect. Where it listens, which backends are up and how many connections there may
// be are said when that is known.
func announce(cfg *config, logger *slog.Logger) {
	logger.Info("starting", "version", programVersion(), "processors", runtime.GOMAXPROCS(0),
		"backends", len(cfg.Backends), "balance", cfg.Balance.String(), "retries", cfg.Retries,
		"health_check", cfg.probeKind(), "interval", cfg.HealthInterval, "access_log", cfg.AccessLog)
	for _, u := range cfg.unusedSettings() {
		logger.Warn("setting has no effect", "setting", u.name, "why", u.why)
	}
}
