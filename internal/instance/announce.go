package instance

import (
	"log/slog"
	"runtime"
	"slices"

	"fourseven/internal/config"
)

// announce logs, before anything else, the settings, and those without effect. The
// addresses, the backends that are up and the connection limit are logged once they are
// known.
func announce(cfg *config.Config, version string, logger *slog.Logger) {
	start := []any{"version", version, "processors", runtime.GOMAXPROCS(0)}
	if only := cfg.Services[0]; only.Name == "" {
		logger.Info("starting", slices.Concat(start, outline(only), []any{"access_log", cfg.AccessLog})...)
	} else {
		logger.Info("starting", append(start, "services", cfg.Names.String(), "access_log", cfg.AccessLog)...)
		for _, s := range cfg.Services {
			logger.Info("service", append([]any{"service", s.Name}, outline(s)...)...)
		}
	}
	for _, u := range cfg.Unused() {
		logger.Warn("setting has no effect", "setting", u.Name, "why", u.Why)
	}
	for _, w := range cfg.Warnings() {
		logger.Warn("setting may not be meant", "setting", w.Name, "why", w.Text)
	}
}

// outline returns, for the log, the settings that matter most of a service.
func outline(s *config.Service) []any {
	return []any{
		"backends", len(s.Backends), "balance", s.Balance.String(), "retries", s.Retries,
		"health_check", s.ProbeKind(), "interval", s.HealthInterval,
	}
}
