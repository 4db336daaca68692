package health

import (
	"fmt"
	"regexp"
)

const (
	// maxMatched is how much of an answer Match is held against.
	maxMatched = 64 << 10
	// maxShown is how many bytes of an answer an error has.
	maxShown = 100
)

// shown returns the beginning of what a backend sent, for an error.
func shown(got []byte) string {
	if len(got) > maxShown {
		return fmt.Sprintf("%q...", got[:maxShown])
	}
	return fmt.Sprintf("%q", got)
}

// errNoMatch returns the error of an answer that the pattern does not match.
func errNoMatch(pattern *regexp.Regexp, got []byte) error {
	return fmt.Errorf("expected a match of %q, got %s", pattern, shown(got))
}
