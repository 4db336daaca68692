package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// strangers returns a fault for each variable with our prefix that is no setting.
func (l *loader) strangers() []error {
	var known []string
	for _, s := range settings() {
		known = append(known, s.name, s.name+"_FILE")
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) {
			continue
		}
		value, hint := l.environ[name], "see fourseven help"
		if near := nearest(strings.ToUpper(name), known); near != "" {
			hint = "did you mean " + near + "?"
		}
		if m := serviceLink.FindStringSubmatch(name + "=" + value); m != nil {
			service := strings.ToLower(strings.ReplaceAll("lb"+m[1], "_", "-"))
			hint = "Kubernetes sets it for a Service named " + service + "; enableServiceLinks: false in the pod's spec turns that off"
		}
		if !soundsSecret(name) {
			name += fmt.Sprintf("=%q", value)
		}
		errs = append(errs, fmt.Errorf("%s: unknown setting; %s", name, hint))
	}
	return errs
}

// soundsSecret reports whether the value of an unknown variable is likely to be one
// that must not be shown: LB_ADMIN_TOKEN misspelt, or what somebody took it to be.
func soundsSecret(name string) bool {
	return secretWord.MatchString(name) || nearest(strings.ToUpper(name), []string{"LB_ADMIN_TOKEN"}) != ""
}

var secretWord = regexp.MustCompile(`(?i)TOKEN|SECRET|PASS|KEY`)

// serviceLink matches the variables that Kubernetes sets in a pod for a Service
// whose name is lb or begins with lb-.
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
var serviceLink = regexp.MustCompile(`^LB((?:_\w+?)?)_(?:SERVICE_(?:HOST|PORT\w*)=|PORT_\d+_(?:TCP|UDP|SCTP)\w*=|PORT=(?:tcp|udp|sctp)://)`)

// nearest returns the known name that a misspelt one is likely to mean, or "".
func nearest(name string, known []string) string {
	best, least := "", min(3, (len(name)-len(envPrefix))/2)
	for _, k := range known {
		if d := editDistance(name, k); d < least || d == least && best == "" {
			best, least = k, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions and substitutions of bytes that
// make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // distances of a's first i bytes to each start of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
