package l7

import "bytes"

// kind says what the proxy does with a header field.
type kind uint8

const (
	plain            kind = iota // passed on as it is
	host                         // routing: exactly one
	contentLength                // framing
	transferEncoding             // framing, of one hop
	connection                   // names the fields of one hop
	hopByHop                     // other fields of one hop: dropped
	te                           // of one hop, but "trailers" may be passed on
	trailer                      // announces trailer fields
	upgrade                      // passed on in a real upgrade only
	expect                       // passed on or refused
	forwardedFor                 // set by the proxy
	forwardedProto
	forwardedHost
)

// kindOf returns the kind of a field by its name, in any case. An underscore
// counts as a hyphen: to a backend that reads fields as CGI variables they are
// the same (RFC 3875 section 4.1.18), so "Content_Length" is told from a plain
// field here. exact is false for such a name.
func kindOf(name []byte) (k kind, exact bool) {
	var known string
	switch len(name) {
	case 2:
		k, known = te, "te"
	case 4:
		k, known = host, "host"
	case 6:
		k, known = expect, "expect"
	case 7:
		k, known = upgrade, "upgrade"
		if name[0]|0x20 == 't' {
			k, known = trailer, "trailer"
		}
	case 10:
		k, known = connection, "connection"
		if name[0]|0x20 == 'k' {
			k, known = hopByHop, "keep-alive"
		}
	case 14:
		k, known = contentLength, "content-length"
	case 15:
		k, known = forwardedFor, "x-forwarded-for"
	case 16:
		k, known = forwardedHost, "x-forwarded-host"
		if name[0]|0x20 == 'p' {
			k, known = hopByHop, "proxy-connection"
		}
	case 17:
		k, known = transferEncoding, "transfer-encoding"
		if name[0]|0x20 == 'x' {
			k, known = forwardedProto, "x-forwarded-proto"
		}
	case 18:
		k, known = hopByHop, "proxy-authenticate"
	case 19:
		k, known = hopByHop, "proxy-authorization"
	}
	if known == "" {
		return plain, true
	}
	return k.ifNamed(name, known)
}

// ifNamed returns k if name is known but for its case and underscores.
func (k kind) ifNamed(name []byte, known string) (kind, bool) {
	exact := true
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c == '_' && known[i] == '-' {
			exact = false
			continue
		}
		if c != known[i] {
			return plain, true
		}
	}
	return k, exact
}

// field is one header or trailer field. Its slices point into the head.
type field struct {
	line  []byte // the whole line, without its end
	name  []byte
	value []byte // without white space around it
	kind  kind
}

// isToken tells the characters of a token (RFC 9110 section 5.6.2).
var isToken = charset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

// isValue tells the characters of a field value: all but controls other than the
// tab (RFC 9110 section 5.5). Bytes from 0x80 are opaque data.
var isValue = func() (set [256]bool) {
	for c := range set {
		set[c] = c >= ' ' && c != 0x7f || c == '\t'
	}
	return set
}()

func charset(chars string) (set [256]bool) {
	for _, c := range []byte(chars) {
		set[c] = true
	}
	return set
}

func all(set *[256]bool, p []byte) bool {
	for _, c := range p {
		if !set[c] {
			return false
		}
	}
	return true
}

func trimSpace(p []byte) []byte {
	for len(p) > 0 && isSpace(p[0]) {
		p = p[1:]
	}
	for len(p) > 0 && isSpace(p[len(p)-1]) {
		p = p[:len(p)-1]
	}
	return p
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// equalFold reports whether p is lower, a string of lower-case ASCII, but for
// the case of letters.
func equalFold(p []byte, lower string) bool {
	if len(p) != len(lower) {
		return false
	}
	for i, c := range p {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// cutField splits a line into name and value. A request's name must stand right
// before the colon (RFC 9112 section 5.1).
func cutField(line []byte) (f field, ok bool) {
	i := 0
	for i < len(line) && isToken[line[i]] {
		i++
	}
	if i == 0 || i == len(line) || line[i] != ':' {
		return f, false
	}
	f.line, f.name, f.value = line, line[:i], trimSpace(line[i+1:])
	return f, all(&isValue, f.value)
}

// maxNamed bounds how many fields Connection may name: each is compared with
// every field of the head.
const maxNamed = 32

// options is what the Connection fields of a head say (RFC 9110 section 7.6.1).
type options struct {
	close, keepAlive, upgrade bool
	// named are the plain fields to drop. Fields that frame or route the message
	// are not dropped, whatever Connection names.
	named [][]byte
}

// add takes the options of one Connection field. It reports false if there are
// too many.
func (o *options) add(value []byte) bool {
	for len(value) > 0 {
		var token []byte
		token, value, _ = bytes.Cut(value, []byte(","))
		token = trimSpace(token)
		switch {
		case len(token) == 0:
		case equalFold(token, "close"):
			o.close = true
		case equalFold(token, "keep-alive"):
			o.keepAlive = true
		case equalFold(token, "upgrade"):
			o.upgrade = true
		default:
			if k, _ := kindOf(token); k != plain {
				continue
			}
			if len(o.named) == maxNamed {
				return false
			}
			o.named = append(o.named, token)
		}
	}
	return true
}

// names reports whether Connection names the field.
func (o *options) names(name []byte) bool {
	for _, n := range o.named {
		if bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func (o *options) reset() {
	*o = options{named: o.named[:0]}
}

// contains reports whether a comma-separated value holds the token.
func contains(value []byte, lower string) bool {
	for len(value) > 0 {
		var token []byte
		token, value, _ = bytes.Cut(value, []byte(","))
		token, _, _ = bytes.Cut(token, []byte(";"))
		if equalFold(trimSpace(token), lower) {
			return true
		}
	}
	return false
}

// parseLength reads a Content-Length: digits alone (RFC 9110 section 8.6), so
// no sign, list, or base. It reports false for a number past 18 digits, too.
func parseLength(value []byte) (n int64, ok bool) {
	if len(value) == 0 || len(value) > 18 {
		return 0, false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
