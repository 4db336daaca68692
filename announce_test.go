package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestAnnouncedInJSON pins that settings are words in JSON, too.
func TestAnnouncedInJSON(t *testing.T) {
	cfg := mustLoad(t, "LB_BACKENDS=a:1", "LB_BALANCE=random2")
	var out bytes.Buffer
	announce(&cfg, slog.New(newHandler(&out, "json", slog.LevelInfo)))
	if want := `"balance":"random2"`; !strings.Contains(out.String(), want) {
		t.Errorf("%s, want %s", out.String(), want)
	}
}
