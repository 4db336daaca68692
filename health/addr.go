package health

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unixPrefix precedes the path of a Unix socket.
const unixPrefix = "unix:"

// SplitAddr returns the network, tcp or unix, and the address in it.
func SplitAddr(addr string) (network, address string) {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		return "unix", path
	}
	return "tcp", addr
}

// maxSocketPath is the longest path of a Unix socket (sun_path in unix(7), without the
// zero byte at its end).
const maxSocketPath = 107

// parseAddr returns the one spelling of an address to dial, host:port or unix:/path, and
// the meaning for TLS of the scheme in front of it, if there is one.
func parseAddr(s string) (addr string, tls TLS, err error) {
	if strings.ContainsFunc(s, unprintable) || !utf8.ValidString(s) { // no log line or metric could show it
		return "", TLSDefault, fmt.Errorf("expected an address in UTF-8 without control characters")
	}
	if network, path := SplitAddr(s); network == "unix" {
		addr, err = parseSocketPath(path)
		return addr, TLSDefault, err
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		switch scheme {
		case "http", "tcp":
			tls = TLSOff
		case "https", "tls":
			tls = TLSOn
		default:
			return "", TLSDefault, fmt.Errorf("unknown scheme %q, expected http://, https://, tcp://, tls://, dns:// or srv://, or none", scheme)
		}
		s = strings.TrimSuffix(rest, "/")
	}
	addr, err = parseHostPort(s)
	return addr, tls, err
}

func unprintable(r rune) bool { return unicode.IsControl(r) || r == '\ufeff' }

func parseSocketPath(path string) (string, error) {
	switch {
	case !filepath.IsAbs(path):
		return "", fmt.Errorf("expected an absolute path, as in unix:/run/db.sock")
	case len(filepath.Clean(path)) > maxSocketPath:
		return "", fmt.Errorf("expected a path of at most %d bytes", maxSocketPath)
	}
	return unixPrefix + filepath.Clean(path), nil
}

func parseHostPort(s string) (string, error) {
	if addr, path, ok := strings.Cut(s, "/"); ok && path != "" {
		if _, err := parseHostPort(addr); err == nil {
			return "", fmt.Errorf("expected no path after the port (LB_HEALTH_PATH is the path of probes)")
		}
	}
	if strings.ContainsAny(strings.TrimSpace(s), " \t") {
		return "", fmt.Errorf("expected commas between entries, not spaces")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return "", fmt.Errorf("expected host:port or unix:/path%s", meantIPv6(s))
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("expected a port from 1 to 65535 after the host")
	}
	if err := CheckHost(host); err != nil {
		return "", err
	}
	// The unspecified address is taken from a list: there it means this machine.
	if ip, err := netip.ParseAddr(host); err == nil && unfit(ip.Unmap()) && !ip.Unmap().IsUnspecified() {
		return "", fmt.Errorf("expected an address that a backend can have, not a broadcast or multicast one")
	}
	return net.JoinHostPort(canonicalHost(host), strconv.FormatUint(n, 10)), nil
}

// meantIPv6 returns a hint for an IPv6 address that lacks its brackets, or nothing.
func meantIPv6(s string) string {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Count(s, ":") < 2 {
		return ""
	}
	if ip, err := netip.ParseAddr(s[:i]); err != nil || !ip.Is6() {
		return ""
	}
	return "; did you mean [" + s[:i] + "]" + s[i:] + "?"
}

// CheckHost returns the fault of the host of an address, if there is one: it must be an
// IP address, or a name of letters, digits, hyphens, underscores and dots (RFC 1123
// section 2.1, and the underscores that containers have in their names).
func CheckHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if strings.ContainsAny(host, "$") {
		return fmt.Errorf("expected a host, got %q: a variable that was not replaced?", host)
	}
	if strings.ContainsAny(host, "/@?#") {
		return fmt.Errorf("expected host:port, without a path or user")
	}
	name := strings.TrimSuffix(host, ".")
	if strings.Contains(name, ".") && strings.Trim(name, "0123456789.") == "" {
		return fmt.Errorf("expected an IPv4 address of four numbers from 0 to 255, got %q", host)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInName) {
			return fmt.Errorf("expected an IP address or a host name, got %q", host)
		}
	}
	if len(name) > 253 {
		return fmt.Errorf("expected a host name of at most 253 bytes")
	}
	return nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// canonicalHost returns the one spelling of a host: backends are distinguished, and
// hashed on every instance, by their addresses' text.
func canonicalHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().String()
	}
	return strings.ToLower(host)
}
