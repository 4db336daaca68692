package health

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unixPrefix stands before the path of a Unix socket.
const unixPrefix = "unix:"

// SplitAddr returns the network, tcp or unix, and the address in it.
func SplitAddr(addr string) (network, address string) {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		return "unix", path
	}
	return "tcp", addr
}

func parseAddr(s string) (string, error) {
	if !utf8.ValidString(s) { // no metric could have it for a label
		return "", fmt.Errorf("expected an address in UTF-8")
	}
	if network, path := SplitAddr(s); network == "unix" {
		if !filepath.IsAbs(path) {
			return "", fmt.Errorf("expected an absolute path, as in unix:/run/db.sock")
		}
		return unixPrefix + filepath.Clean(path), nil
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if scheme != "http" && scheme != "tcp" {
			return "", fmt.Errorf("unknown scheme %q, expected http://, tcp://, dns:// or srv://, or none", scheme)
		}
		s = strings.TrimSuffix(rest, "/")
	}
	return parseHostPort(s)
}

func parseHostPort(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return "", fmt.Errorf("expected host:port or unix:/path")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("expected a port from 1 to 65535 after the host")
	}
	if strings.ContainsAny(host, "/@?# \t") {
		return "", fmt.Errorf("expected host:port, without a path or user")
	}
	return net.JoinHostPort(canonicalHost(host), strconv.FormatUint(n, 10)), nil
}

// canonicalHost returns the one spelling of a host: backends are told apart, and
// hashed on every instance, by their addresses' text.
func canonicalHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().String()
	}
	return strings.ToLower(host)
}
