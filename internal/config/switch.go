package config

// Switch is a setting that is on or off.
type Switch bool

// UnmarshalText reads on or off.
func (s *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on":
		*s = true
	case "off":
		*s = false
	default:
		return errUnexpected
	}
	return nil
}

// MarshalText returns on or off, also for log lines in JSON.
func (s Switch) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}
