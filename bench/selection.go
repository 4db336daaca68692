package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// selection is what is measured: each contender in each scenario that it can
// take part in.
type selection struct {
	scenarios  []scenario
	contenders []contender
}

// parseSelection understands the names of -only. Without scenarios among them it
// is all scenarios, without contenders all contenders.
func parseSelection(names string, given bool) (selection, error) {
	all := selection{scenarios: scenarios(), contenders: contenders()}
	if !given {
		return all.usual(), nil
	}
	wanted, err := splitNames("-only", names)
	if err != nil {
		return selection{}, err
	}
	if err := all.check("-only", wanted); err != nil {
		return selection{}, err
	}
	return all.narrow(wanted).effective()
}

func splitNames(flagName, names string) ([]string, error) {
	list := strings.Split(names, ",")
	for i := range list {
		if list[i] = strings.TrimSpace(list[i]); list[i] == "" {
			return nil, fmt.Errorf("%s %q: expected names with commas between them", flagName, names)
		}
	}
	return list, nil
}

// check returns an error for the first name that is none.
func (s selection) check(flagName string, names []string) error {
	for _, name := range names {
		if !s.hasScenario(name) && !s.hasContender(name) {
			return fmt.Errorf("%s: unknown name %q", flagName, name)
		}
	}
	return nil
}

// usual leaves out the scenarios that must be named.
func (s selection) usual() selection {
	s.scenarios = keep(s.scenarios, func(sc scenario) bool { return !sc.extra })
	return s
}

func (s selection) narrow(names []string) selection {
	named := func(name string) bool { return slices.Contains(names, name) }
	if slices.ContainsFunc(names, s.hasScenario) {
		s.scenarios = keep(s.scenarios, func(sc scenario) bool { return named(sc.name) })
	} else {
		s = s.usual()
	}
	if slices.ContainsFunc(names, s.hasContender) {
		s.contenders = keep(s.contenders, func(c contender) bool { return named(c.name) })
	}
	return s
}

// effective drops what has nothing to do, and refuses a selection in which
// something that was named has not.
func (s selection) effective() (selection, error) {
	allScenarios, allContenders := len(s.scenarios) >= len(selection{scenarios: scenarios()}.usual().scenarios), len(s.contenders) == len(contenders())
	for _, c := range s.contenders {
		if !allContenders && !slices.ContainsFunc(s.scenarios, c.plays) {
			return selection{}, fmt.Errorf("-only: %s has no part in %s", c.name, joinNames(s.scenarios))
		}
	}
	for _, sc := range s.scenarios {
		if !allScenarios && !slices.ContainsFunc(s.contenders, func(c contender) bool { return c.plays(sc) }) {
			return selection{}, fmt.Errorf("-only: nothing that is named has a part in %s", sc.name)
		}
	}
	return selection{
		scenarios:  keep(s.scenarios, func(sc scenario) bool { return len(s.players(sc)) > 0 }),
		contenders: keep(s.contenders, func(c contender) bool { return slices.ContainsFunc(s.scenarios, c.plays) }),
	}, nil
}

// players returns the contenders that take part in sc.
func (s selection) players(sc scenario) []contender {
	return keep(s.contenders, func(c contender) bool { return c.plays(sc) })
}

func (s selection) hasScenario(name string) bool {
	return slices.ContainsFunc(s.scenarios, func(sc scenario) bool { return sc.name == name })
}

func (s selection) hasContender(name string) bool {
	return slices.ContainsFunc(s.contenders, func(c contender) bool { return c.name == name })
}

// parseRequired understands the names of -require.
func parseRequired(names string, given bool, only selection) ([]string, error) {
	if !given {
		return nil, nil
	}
	list, err := splitNames("-require", names)
	if err != nil {
		return nil, err
	}
	all := selection{contenders: contenders()}
	for _, name := range list {
		if !all.hasContender(name) {
			return nil, fmt.Errorf("-require: unknown contender %q, expected %s", name, joinNames(all.contenders))
		}
		if !only.hasContender(name) {
			return nil, fmt.Errorf("-require: %s is not among what is measured (-only)", name)
		}
	}
	return list, nil
}

// writeNames prints what -only and -require understand.
func writeNames(w io.Writer) {
	_, _ = fmt.Fprintln(w, "scenarios")
	for _, s := range scenarios() {
		title := s.title
		if s.extra {
			title += " (only if named)"
		}
		_, _ = fmt.Fprintf(w, "  %-14s %s\n", s.name, title)
	}
	_, _ = fmt.Fprintln(w, "contenders")
	for _, c := range contenders() {
		_, _ = fmt.Fprintf(w, "  %-14s %s\n", c.name, c.about)
	}
}

func (s scenario) label() string  { return s.name }
func (c contender) label() string { return c.name }

func joinNames[T interface{ label() string }](list []T) string {
	var names []string
	for _, v := range list {
		names = append(names, v.label())
	}
	return strings.Join(names, ", ")
}

// keep returns those of list that want wants, in a new slice.
func keep[T any](list []T, want func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !want(v) })
}
