package instance

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"fourseven/internal/config"
	"fourseven/internal/logging"
)

// TestAnnouncedInJSON pins that settings are words in JSON, too.
func TestAnnouncedInJSON(t *testing.T) {
	cfg, err := config.Load([]string{"LB_BACKENDS=a:1", "LB_BALANCE=random2"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	announce(&cfg, "1.0.0", slog.New(logging.NewHandler(&out, "json", slog.LevelInfo)))
	if want := `"balance":"random2"`; !strings.Contains(out.String(), want) {
		t.Errorf("%s, want %s", out.String(), want)
	}
}
