package instance

import (
	"log/slog"
	"runtime"

	"fourseven/internal/config"
)

// announce says, before anything else, what was configured, and what of it has no
// effect. Where it listens, which backends are up and how many connections there may
// be are said when that is known.
func announce(cfg *config.Config, version string, logger *slog.Logger) {
	logger.Info("starting", "version", version, "processors", runtime.GOMAXPROCS(0),
		"backends", len(cfg.Backends), "balance", cfg.Balance.String(), "retries", cfg.Retries,
		"health_check", cfg.ProbeKind(), "interval", cfg.HealthInterval, "access_log", cfg.AccessLog)
	for _, u := range cfg.Unused() {
		logger.Warn("setting has no effect", "setting", u.Name, "why", u.Why)
	}
	for _, w := range cfg.Warnings() {
		logger.Warn("setting may not be meant", "setting", w.Name, "why", w.Text)
	}
}
