package health

import (
	"fmt"
	"strconv"
	"strings"
)

// Check is where one backend is probed, if not where its traffic goes: a port of its own
// host, such as 8008, or an address, such as db1-agent:8008. It may be empty.
type Check string

// host reports whether the check is at an address of its own.
func (c Check) host() bool { return strings.Contains(string(c), ":") }

func parseCheck(s string) (Check, error) {
	if strings.Contains(s, ":") {
		addr, err := parseHostPort(s)
		if err != nil {
			return "", fmt.Errorf("option check=%s: %w", s, err)
		}
		return Check(addr), nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("option check=%s: expected a port from 1 to 65535, or host:port", s)
	}
	return Check(strconv.FormatUint(n, 10)), nil
}

// checked returns the addresses that are probed at a Check of its own host.
func (s Spec) checked() []string {
	if s.checkAddrs != nil {
		return s.checkAddrs
	}
	return []string{string(s.Check)}
}
