package config

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
)

// Setting is the effective value of one setting, in the form that its variable
// takes. Secrets are masked.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// Effective returns every setting's effective value and where it is from: those of the
// services, each with the service's own variable as its name, and those of the process.
func (c *Config) Effective() []Setting {
	var all []Setting
	for _, s := range c.Services {
		all = append(all, s.effective()...)
	}
	for _, s := range processSettings() {
		all = append(all, Setting{s.name, shown(s, c, s.format(c)), c.source(s.name).String()})
	}
	return all
}

func (s *Service) effective() []Setting {
	if s.Name == "" {
		return s.effectiveOf(flatSettings(), Source.String)
	}
	return s.effectiveOf(serviceSettings(), Source.withVariable)
}

func (s *Service) effectiveOf(settings []setting, text func(Source) string) (all []Setting) {
	for _, one := range settings {
		value := one.format(s)
		switch one.name {
		case "LB_HEALTH_CHECK":
			value = s.ProbeKind()
		case "LB_HEALTH_PROXY":
			value = s.ProbeProxy()
		}
		all = append(all, Setting{s.own(one.name), shown(one, s, value), text(s.source(one.name))})
	}
	return all
}

// shown returns a value, or what is shown in its place if it must not be.
func shown(s setting, h holder, value string) string {
	_, summed := s.zero().(Certificates) // which print what they are about
	if value != "" && s.hidden(h) && !summed {
		return "(secret)"
	}
	return value
}

// WriteEffective prints every setting with its effective value and its source.
func (c *Config) WriteEffective(w io.Writer) error {
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SETTING\tVALUE\tSOURCE")
	for _, s := range c.Effective() {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", s.Name, cmp.Or(s.Value, "(empty)"), s.Source)
	}
	_ = tw.Flush() // a buffer takes everything
	for _, u := range c.Unused() {
		fmt.Fprintf(&b, "%s has no effect: %s\n", u.Name, u.Why)
	}
	for _, warning := range c.Warnings() {
		fmt.Fprintf(&b, "%s: %s\n", warning.Name, warning.Text)
	}
	_, err := b.WriteTo(w)
	return err
}
