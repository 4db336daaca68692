package health

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

const (
	// maxMatched is how much of an answer Match is held against.
	maxMatched = 64 << 10
	// maxShown is how many bytes of a response an error has.
	maxShown = 100
	// minSecret is the length from which on words that were sent are left out of errors:
	// shorter ones are in any text.
	minSecret = 4
)

// masked returns what a backend sent without the words of a secret that was sent to it:
// many servers repeat a command or a header in an error. A word may be cut off at the end.
func masked(got []byte, secret string) []byte {
	for _, word := range strings.Fields(secret) {
		if len(word) < minSecret {
			continue
		}
		got = bytes.ReplaceAll(got, []byte(word), []byte("(secret)"))
		for n := len(word) - 1; n >= minSecret; n-- {
			if start, ok := bytes.CutSuffix(got, []byte(word[:n])); ok {
				got = append(bytes.Clone(start), "(secret)"...)
				break
			}
		}
	}
	return got
}

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
