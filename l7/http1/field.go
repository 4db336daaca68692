package http1

import (
	"bytes"
	"strconv"
)

// MaxFields is how many fields a head may have, and a trailer section. Each takes some
// twenty times the memory that its four bytes in a buffer take.
const MaxFields = 128

// Kind is the meaning of a header field for a program that forwards the message.
type Kind uint8

// The kinds of fields.
const (
	Plain            Kind = iota // passed on as it is
	Host                         // routing: exactly one (RFC 9112 section 3.2)
	ContentLength                // framing
	TransferEncoding             // framing, of one hop
	Connection                   // names the fields of one hop (RFC 9110 section 7.6.1)
	HopByHop                     // other fields of one hop
	TE                           // of one hop, but "trailers" may be passed on
	Trailer                      // announces trailer fields
	Upgrade                      // passed on in a real upgrade only
	Expect                       // passed on or refused
	Date                         // passed on, also if Connection names it
	ForwardedFor                 // X-Forwarded-For: set by proxies
	ForwardedProto               // X-Forwarded-Proto
	ForwardedHost                // X-Forwarded-Host
	Forwarded                    // Forwarded, X-Real-IP, and every other X-Forwarded-*
	ClientName                   // X-Client-Cert-CN: set by the proxy that ends the client's TLS
	Dropped                      // never passed on
)

// kindOf returns the kind of a field by its name, in any case. An underscore
// counts as a hyphen: to a backend that reads fields as CGI variables they are
// the same (RFC 3875 section 4.1.18), so "Content_Length" is told from a plain
// field here. exact is false for such a name.
func kindOf(name []byte) (k Kind, exact bool) {
	var known string
	switch len(name) {
	case 2:
		k, known = TE, "te"
	case 4:
		k, known = Host, "host"
		if name[0]|0x20 == 'd' {
			k, known = Date, "date"
		}
	case 6:
		k, known = Expect, "expect"
	case 7:
		k, known = Upgrade, "upgrade"
		if name[0]|0x20 == 't' {
			k, known = Trailer, "trailer"
		}
	case 9:
		k, known = Forwarded, "forwarded"
		if name[0]|0x20 == 'x' {
			known = "x-real-ip"
		}
	case 10:
		k, known = Connection, "connection"
		if name[0]|0x20 == 'k' {
			k, known = HopByHop, "keep-alive"
		}
	case 14:
		k, known = ContentLength, "content-length"
	case 15:
		k, known = ForwardedFor, "x-forwarded-for"
	case 16:
		k, known = ForwardedHost, "x-forwarded-host"
		switch {
		case name[0]|0x20 == 'p':
			k, known = HopByHop, "proxy-connection"
		case name[2]|0x20 == 'c':
			k, known = ClientName, "x-client-cert-cn"
		}
	case 17:
		k, known = TransferEncoding, "transfer-encoding"
		if name[0]|0x20 == 'x' {
			k, known = ForwardedProto, "x-forwarded-proto"
		}
	case 18:
		k, known = HopByHop, "proxy-authenticate"
	case 19:
		k, known = HopByHop, "proxy-authorization"
	}
	if known != "" {
		if k, exact = k.ifNamed(name, known); k != Plain {
			return k, exact
		}
	}
	const forwarded = "x-forwarded-"
	if len(name) <= len(forwarded) || name[0]|0x20 != 'x' {
		return Plain, true
	}
	k, exact = Forwarded.ifNamed(name[:len(forwarded)], forwarded)
	return k, exact && (k == Plain || bytes.IndexByte(name, '_') < 0)
}

// ifNamed returns k if name is known but for its case and underscores.
func (k Kind) ifNamed(name []byte, known string) (Kind, bool) {
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
			return Plain, true
		}
	}
	return k, exact
}

// Field is one header or trailer field. Its slices point into the head.
type Field struct {
	Line  []byte // the whole line, without its end
	Name  []byte
	Value []byte // without white space around it
	Kind  Kind
}

// isToken has the characters of a token (RFC 9110 section 5.6.2).
var isToken = charset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

// isValue has the characters of a field value: all but controls other than the
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
func cutField(line []byte) (f Field, ok bool) {
	i := 0
	for i < len(line) && isToken[line[i]] {
		i++
	}
	if i == 0 || i == len(line) || line[i] != ':' {
		return f, false
	}
	f.Line, f.Name, f.Value = line, line[:i], trimSpace(line[i+1:])
	return f, all(&isValue, f.Value)
}

// plainLength gives a Content-Length field the plain form of its number, which the next
// recipient cannot read in another way, as by taking zeros in front for a base.
func (f *Field) plainLength(n int64) {
	if f.Value[0] == '0' && len(f.Value) > 1 || !all(&isDigit, f.Value) {
		f.Value = strconv.AppendInt(nil, n, 10)
		f.Line = append(append(bytes.Clone(f.Name), ": "...), f.Value...)
	}
}

var isDigit = charset("0123456789")

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
