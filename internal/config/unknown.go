package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// strangers returns a fault for each variable with the prefix LB_ that is not a setting.
func (c *Config) strangers(vars *variables) (errs []error) {
	known := c.variables()
	isKnown := map[string]bool{}
	for _, name := range known {
		isKnown[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(vars.texts)) {
		if !strings.HasPrefix(name, envPrefix) || isKnown[name] || c.ofInvalid(name) {
			continue
		}
		hint := c.hint(name, vars.texts[name], known)
		if !soundsSecret(name) {
			name += fmt.Sprintf("=%q", vars.texts[name])
		}
		errs = append(errs, fmt.Errorf("%s: unknown setting; %s", name, hint))
	}
	return errs
}

// variables returns the names of all variables that are settings.
func (c *Config) variables() (known []string) {
	for _, s := range settings() {
		known = append(known, s.name, s.name+"_FILE")
	}
	for _, name := range c.Names.Valid {
		for _, s := range serviceSettings() {
			own := servicePrefix(name) + s.bare()
			known = append(known, own, own+"_FILE")
		}
	}
	return known
}

// ofInvalid reports whether the variable is for a service whose name is not valid, which
// is reported itself.
func (c *Config) ofInvalid(variable string) bool {
	return slices.ContainsFunc(c.Names.Invalid, func(name string) bool {
		return strings.HasPrefix(strings.ToUpper(variable), servicePrefix(name))
	})
}

// hint describes what an unknown variable is, or was probably meant to be.
func (c *Config) hint(name, value string, known []string) string {
	if m := serviceLink.FindStringSubmatch(name + "=" + value); m != nil {
		service := strings.ToLower(strings.ReplaceAll("lb"+m[1], "_", "-"))
		return "Kubernetes sets it for a Service named " + service + "; enableServiceLinks: false in the pod's spec turns that off"
	}
	if hint := c.serviceHint(name); hint != "" {
		return hint
	}
	if near := nearest(strings.ToUpper(name), known); near != "" {
		return "did you mean " + near + "?"
	}
	return "see fourseven help"
}

// serviceHint returns a hint for a variable that has the form of a service's, or nothing.
func (c *Config) serviceHint(variable string) string {
	word, rest, ok := strings.Cut(strings.TrimPrefix(variable, envPrefix), "_")
	name, setting := strings.ToLower(word), envPrefix+strings.TrimSuffix(rest, "_FILE")
	if !ok || word != strings.ToUpper(word) || checkServiceName(name) != nil {
		return ""
	}
	exists := slices.Contains(c.Names.Valid, name)
	switch {
	case exists && contains(processSettings(), setting):
		return "it is a setting of the process, expected " + setting
	case exists || !contains(serviceSettings(), setting):
		return ""
	case len(c.Names.Valid) > 0:
		return fmt.Sprintf("there is no service %s in LB_SERVICES=%s", name, c.Names)
	}
	return fmt.Sprintf("for a service named %s set LB_SERVICES=%s", name, name)
}

// soundsSecret reports whether the value of an unknown variable is probably a secret that
// must not be shown: LB_ADMIN_TOKEN misspelt, or a name that a user guessed for it.
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
