package config

import (
	"strings"

	"fourseven/l4"
)

// Peers is a list of networks, and perhaps the word unix for peers over Unix sockets.
type Peers l4.Peers

// unixWord means the peers over Unix sockets in a list.
const unixWord = "unix"

// UnmarshalText reads CIDRs, bare addresses and unix, set off by commas.
func (p *Peers) UnmarshalText(text []byte) error {
	var networks []string
	for entry := range strings.SplitSeq(string(text), ",") {
		if strings.TrimSpace(entry) == unixWord {
			p.Unix = true
			continue
		}
		networks = append(networks, entry)
	}
	if p.Unix && strings.TrimSpace(strings.Join(networks, "")) == "" {
		return nil
	}
	var list Prefixes
	err := list.UnmarshalText([]byte(strings.Join(networks, ",")))
	p.Networks = list
	return err
}

func (p Peers) String() string {
	text := Prefixes(p.Networks).String()
	switch {
	case !p.Unix:
		return text
	case text == "":
		return unixWord
	}
	return text + "," + unixWord
}
