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

// Effective returns every setting's effective value and where it is from.
func (c *Config) Effective() []Setting {
	var all []Setting
	for _, s := range settings() {
		value := s.format(c)
		switch s.name {
		case "LB_HEALTH_CHECK":
			value = c.ProbeKind()
		case "LB_HEALTH_PROXY":
			value = c.ProbeProxy()
		}
		if value != "" && s.hidden(c) {
			value = "(secret)"
		}
		all = append(all, Setting{Name: s.name, Value: value, Source: c.sources[s.name].String()})
	}
	return all
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
