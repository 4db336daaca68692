package l4

import (
	"bytes"
	"strings"
)

// Names finds what belongs to a host name. Names compare without case, and without a dot
// at their end. The zero value has none. Add is called before Find; Find is safe for
// concurrent use.
type Names[T any] struct {
	exact, below map[string]T
}

// maxName is the longest host name in its text form (RFC 1035, section 2.3.4).
const maxName = 253

// Add adds what belongs to a name, or with *. in front to all names that have exactly one
// label more.
func (n *Names[T]) Add(name string, v T) {
	if n.exact == nil {
		n.exact, n.below = map[string]T{}, map[string]T{}
	}
	key := string(appendName(nil, []byte(name)))
	if parent, ok := strings.CutPrefix(key, "*."); ok {
		n.below[parent] = v
		return
	}
	n.exact[key] = v
}

// Of returns what was added for a name, or zero. The name is as in Add.
func (n *Names[T]) Of(name string) T {
	key := string(appendName(nil, []byte(name)))
	if parent, ok := strings.CutPrefix(key, "*."); ok {
		return n.below[parent]
	}
	return n.exact[key]
}

// Find returns what was added for just this name, and what was added for it by a *. in
// front. Each is zero if there is none.
func (n *Names[T]) Find(name []byte) (exact, wildcard T) {
	var buf [maxName]byte
	if len(name) > maxName+1 || len(n.exact)+len(n.below) == 0 {
		return exact, wildcard
	}
	key := appendName(buf[:0], name)
	exact = n.exact[string(key)]
	if i := bytes.IndexByte(key, '.'); i > 0 {
		wildcard = n.below[string(key[i+1:])]
	}
	return exact, wildcard
}

// appendName appends a name in the form in which names compare.
func appendName(b, name []byte) []byte {
	for _, c := range bytes.TrimSuffix(name, []byte(".")) {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}
