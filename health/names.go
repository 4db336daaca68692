package health

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxNames is how many addresses there are in a line of the log.
const maxNames = 32

// names are addresses for the log: separated by commas in text, an array in JSON.
type names []string

// MarshalText is what a slog.TextHandler writes.
func (n names) MarshalText() ([]byte, error) {
	shown, more := n.bounded()
	text := strings.Join(shown, ",")
	if more != "" {
		text += " " + more
	}
	return []byte(text), nil
}

// MarshalJSON is what a slog.JSONHandler writes.
func (n names) MarshalJSON() ([]byte, error) {
	shown, more := n.bounded()
	all := append([]string{}, shown...) // [] and not null if there are none
	if more != "" {
		all = append(all, more)
	}
	return json.Marshal(all)
}

// bounded returns the first maxNames addresses, and a word with the number of the others.
func (n names) bounded() (shown []string, more string) {
	if len(n) <= maxNames {
		return n, ""
	}
	return n[:maxNames], fmt.Sprintf("and %d more", len(n)-maxNames)
}
