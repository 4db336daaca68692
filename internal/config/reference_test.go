package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// reference is what SETTINGS.md is made of: settings whose names begin alike are a group. A
// setting belongs to the group with the longest beginning of its name.
var reference = []struct {
	title, intro string
	beginnings   []string
}{
	{"Backends", "", []string{"BACKENDS", "BALANCE", "SINGLE", "RETRIES", "CONNECT_", "SLOW_", "DNS_"}},
	{"Listeners", "", []string{"L4_LISTEN", "L7_LISTEN", "REUSE_"}},
	{"Services", "See [several services in one process](README.md#several-services-in-one-process).", []string{"SERVICES"}},
	{"Health checks", "See [probes](README.md#probes).", []string{"HEALTH_"}},
	{"Limits and access", "", []string{"MAX_CONNS", "ALLOW", "DENY", "CONN_RATE", "QUEUE_", "L7_RATE"}},
	{"PROXY protocol", "", []string{"PROXY_PROTOCOL_"}},
	{"TCP connections (L4)", "", []string{"L4_"}},
	{"HTTP (L7)", "", []string{"L7_"}},
	{"TLS from clients", "", []string{"L4_TLS", "L7_TLS", "L7_REDIRECT_", "TLS_"}},
	{"TLS to backends", "", []string{"BACKEND_TLS"}},
	{"Routing by name", "", []string{"SNI", "HOSTS", "PATHS", "L4_HELLO_"}},
	{"Admin", "", []string{"ADMIN_"}},
	{"Shutdown", "", []string{"SHUTDOWN_", "DRAIN_"}},
	{"Log", "", []string{"LOG_", "ACCESS_"}},
	{"Reading files again", "", []string{"WATCH"}},
}

const referenceIntro = `# Settings

<!-- Written by go test ./internal/config -run TestHelp -update: do not edit. -->

All settings are environment variables. ` + "`fourseven help`" + ` prints them too, ` + "`fourseven help LB_BALANCE`" + ` prints one,
and ` + "`fourseven check`" + ` prints the values in effect and where each comes from.

- Durations look like ` + "`500ms`" + ` or ` + "`1m30s`" + `, sizes like ` + "`64KiB`" + `; lists have commas between their entries.
- ` + "`off`" + ` disables what can be disabled. For a duration or size it is the same as ` + "`0`" + `.
- ` + "`LB_X_FILE`" + ` names a file that holds the value of ` + "`LB_X`" + `. In the file of a list, entries may be on lines of their
  own, and ` + "`#`" + ` begins a comment.
- A variable that is set but empty is an error, except where the default is empty.
- An unknown ` + "`LB_`" + ` variable or a bad value is an error. All errors are reported at once, and the exit code is 2.
- With ` + "`LB_SERVICES`" + `, a service has its own value of ` + "`LB_X`" + ` in ` + "`LB_<NAME>_X`" + `. Settings marked *process* have one value for all
  services. Settings marked *not inherited* must be set for each service.
`

// TestHelpReference holds SETTINGS.md against the settings.
func TestHelpReference(t *testing.T) {
	testkit.Golden(t, "../../SETTINGS.md", writeReference(t), *update, "go test ./internal/config -run TestHelp")
}

func writeReference(t *testing.T) []byte {
	t.Helper()
	rows := make([][]string, len(reference))
	for _, s := range slices.Concat(serviceSettings(), processSettings()) {
		i := groupOf(s)
		if i < 0 {
			t.Errorf("%s is in no group of SETTINGS.md: add one in reference_test.go", s.name)
			continue
		}
		rows[i] = append(rows[i], s.row())
	}
	b := bytes.NewBufferString(referenceIntro)
	for i, g := range reference {
		if len(rows[i]) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n## %s\n\n", g.title)
		if g.intro != "" {
			b.WriteString(g.intro + "\n\n")
		}
		b.WriteString("| variable | value | default | meaning |\n|---|---|---|---|\n" + strings.Join(rows[i], ""))
	}
	return b.Bytes()
}

// groupOf returns the index of the setting's group, or -1.
func groupOf(s setting) int {
	found, length := -1, 0
	for i, g := range reference {
		for _, beginning := range g.beginnings {
			if strings.HasPrefix(s.bare(), beginning) && len(beginning) > length {
				found, length = i, len(beginning)
			}
		}
	}
	return found
}

// row returns the setting's line in the table of its group.
func (s setting) row() string {
	name, mark := s.name, ""
	_, alone := s.alone()
	switch {
	case !s.ofService():
		mark = " *(process)*"
	case contains(processSettings(), s.name): // the process has a setting of that name too
		name = "LB_<NAME>_" + s.bare()
	case alone:
		mark = " *(not inherited)*"
	}
	return fmt.Sprintf("| `%s`%s | %s | %s | %s |\n", name, mark, cell(s.takes()), s.initially(), cell(s.help()))
}

func (s setting) ofService() bool {
	return slices.ContainsFunc(serviceSettings(), func(o setting) bool { return o.name == s.name && o.field.Type == s.field.Type && o.help() == s.help() })
}

// takes returns what the setting takes, in a few words.
func (s setting) takes() string {
	if words := s.choices(); words != nil {
		return "`" + strings.Join(words, "`, `") + "`"
	}
	kind, _ := s.kind()
	low, bounded := s.field.Tag.Lookup("min")
	high := s.field.Tag.Get("max")
	switch {
	case high != "":
		return kind + " from " + low + " to " + high
	case s.mayBeOff():
		return kind + " or `off`"
	case bounded:
		return kind + " of at least " + low
	}
	return kind
}

// initially returns the setting's default.
func (s setting) initially() string {
	switch {
	case s.required():
		return "required"
	case s.mayBeEmpty():
		return "empty"
	}
	return "`" + s.fallback() + "`"
}

var (
	variable = regexp.MustCompile(`\bLB_[A-Z0-9_]+\b(=[a-z0-9_]+)?`)
	literal  = regexp.MustCompile(`(?:\\(?:xNN|\\|[rnt0]))+`)
)

// cell returns text as it stands in a table, with names of variables marked as code.
func cell(text string) string {
	text = variable.ReplaceAllString(text, "`$0`")
	text = literal.ReplaceAllString(text, "`$0`")
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;").Replace(text)
}
