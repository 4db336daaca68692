package health

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Pins that lists of backends are arrays in JSON, where they had been one string, and
// that text stays as it was; and that neither is long.
func TestNamesInTheLog(t *testing.T) {
	many := make(names, maxNames+5)
	for i := range many {
		many[i] = fmt.Sprint("a:", i)
	}
	tests := []struct {
		name       string
		list       names
		text, json string // what the line ends with
	}{
		{"two", many[:2], " backends=a:0,a:1\n", `"backends":["a:0","a:1"]}` + "\n"},
		{"none", nil, ` backends=""` + "\n", `"backends":[]}` + "\n"},
		{"many", many, `,a:31 and 5 more"` + "\n", `"a:31","and 5 more"]}` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var text, json bytes.Buffer
			slog.New(slog.NewTextHandler(&text, nil)).Info("line", "backends", tt.list)
			slog.New(slog.NewJSONHandler(&json, nil)).Info("line", "backends", tt.list)
			if !strings.HasSuffix(text.String(), tt.text) {
				t.Errorf("text %s, want %q at its end", &text, tt.text)
			}
			if !strings.HasSuffix(json.String(), tt.json) {
				t.Errorf("JSON %s, want %q at its end", &json, tt.json)
			}
		})
	}
}
