package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Payload is bytes, written in the setting with escapes.
type Payload string

// UnmarshalText reads text in which \r, \n, \t, \0, \\ and \xNN are bytes.
func (p *Payload) UnmarshalText(text []byte) error {
	var b strings.Builder
	for s := string(text); s != ""; {
		n, c, err := unescape(s)
		if err != nil {
			return err
		}
		b.WriteByte(c)
		s = s[n:]
	}
	*p = Payload(b.String())
	return nil
}

var escapes = map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '0': 0, '\\': '\\'}

// unescape returns the first byte that s encodes, and how many bytes of s encode it.
func unescape(s string) (n int, c byte, err error) {
	if s[0] != '\\' {
		return 1, s[0], nil
	}
	if len(s) >= 4 && s[1] == 'x' {
		code, err := strconv.ParseUint(s[2:4], 16, 8)
		if err != nil {
			return 0, 0, errUnexpected
		}
		return 4, byte(code), nil
	}
	if len(s) >= 2 {
		if c, ok := escapes[s[1]]; ok {
			return 2, c, nil
		}
	}
	return 0, 0, errUnexpected
}

// String spells a space at either end as an escape: as it is, it would not show.
func (p Payload) String() string {
	var b strings.Builder
	for i := range len(p) {
		switch c := p[i]; {
		case c == '\\':
			b.WriteString(`\\`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\n':
			b.WriteString(`\n`)
		case c < ' ' || c > '~' || c == ' ' && (i == 0 || i == len(p)-1):
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
