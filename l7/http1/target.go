package http1

import (
	"bytes"
	"net/netip"
)

// isTarget has the characters of a request-target that are passed on. It is
// wider than RFC 3986 by what clients are known to send unescaped, such as "|",
// "{" and the bytes of UTF-8, but holds no space, control or "#": those are read
// differently by different parsers.
var isTarget = func() (set [256]bool) {
	for c := range set {
		set[c] = c > ' ' && c != 0x7f && c != '#'
	}
	return set
}()

// isHost has the characters of a registered name or IPv4 address
// (RFC 3986 section 3.2.2).
var isHost = charset("-._~%!$&'()*+,;=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

// splitTarget checks a request-target (RFC 9112 section 3.2). It returns the
// form to send to an origin server, and the authority if the target names one.
func splitTarget(method, target []byte) (origin, authority []byte, ok bool) {
	if !all(&isTarget, target) {
		return nil, nil, false
	}
	if target[0] == '/' {
		return target, nil, true
	}
	options := string(method) == "OPTIONS"
	if string(target) == "*" {
		return target, nil, options
	}
	authority, origin, ok = splitAbsolute(target)
	if len(origin) == 0 {
		origin = []byte("/")
		if options {
			origin = []byte("*") // RFC 9112 section 3.2.4
		}
	} else if origin[0] == '?' {
		origin = append([]byte("/"), origin...)
	}
	return origin, authority, ok && validHost(authority)
}

// splitAbsolute splits an absolute-form target, http or https, behind its
// authority. Userinfo makes the authority invalid (RFC 9110 section 4.2.4).
func splitAbsolute(target []byte) (authority, rest []byte, ok bool) {
	scheme, rest, found := bytes.Cut(target, []byte("://"))
	if !found || !equalFold(scheme, "http") && !equalFold(scheme, "https") {
		return nil, nil, false
	}
	if i := bytes.IndexAny(rest, "/?"); i >= 0 {
		return rest[:i], rest[i:], true
	}
	return rest, nil, true
}

// CutPort cuts off a host's port. The colons of an IPv6 address, which stands in brackets,
// are not taken for that of a port. found reports whether there was a port, which may be
// empty.
func CutPort(host []byte) (name, port []byte, found bool) {
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		return host[:i], host[i+1:], true
	}
	return host, nil, false
}

// validHost reports whether p is a host with an optional port, as it stands in
// Host (RFC 9110 section 7.2). An http URI's host is never empty (section 4.2.1).
func validHost(p []byte) bool {
	name, port, _ := CutPort(p)
	if len(port) > 5 || len(name) == 0 {
		return false
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return false
		}
	}
	if name[0] != '[' {
		return all(&isHost, name)
	}
	if name[len(name)-1] != ']' {
		return false
	}
	ip, err := netip.ParseAddr(string(name[1 : len(name)-1]))
	return err == nil && ip.Is6() && ip.Zone() == ""
}
