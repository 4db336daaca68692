package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// setting is one field of Service or Config, as its tags describe it.
type setting struct {
	name  string // the variable, without the name of a service in it
	field reflect.StructField
}

// holder is a *Service or a *Config.
type holder interface {
	source(name string) Source
	Variable(name string) string
}

// serviceSettings returns the settings of a service, and processSettings those of the
// process, in the order of their structs. The lists are shared and do not change.
var (
	serviceSettings = sync.OnceValue(func() []setting { return settingsOf(reflect.TypeFor[Service]()) })
	processSettings = sync.OnceValue(func() []setting { return settingsOf(reflect.TypeFor[Config]()) })
)

func settingsOf(holder reflect.Type) []setting {
	var all []setting
	for _, f := range reflect.VisibleFields(holder) {
		tag := f.Tag.Get("env")
		if name, _, _ := strings.Cut(tag, ","); name != "" && name != "-" {
			all = append(all, setting{envPrefix + name, f})
		}
	}
	return all
}

// flatSettings returns the settings of the only service: those that the process has no
// setting of the same name for.
func flatSettings() []setting {
	return slices.DeleteFunc(slices.Clone(serviceSettings()), func(s setting) bool { return contains(processSettings(), s.name) })
}

// settings returns every setting that is set by a variable without the name of a service.
func settings() []setting { return slices.Concat(flatSettings(), processSettings()) }

// contains reports whether a setting of that name is in the list.
func contains(all []setting, name string) bool {
	return slices.ContainsFunc(all, func(s setting) bool { return s.name == name })
}

// bare returns the setting's name without LB_.
func (s setting) bare() string { return strings.TrimPrefix(s.name, envPrefix) }

// alone returns the setting's default in a named service, if the service does not inherit
// the setting.
func (s setting) alone() (fallback string, ok bool) { return s.field.Tag.Lookup("alone") }

func (s setting) required() bool { return strings.HasSuffix(s.field.Tag.Get("env"), ",required") }

// fallback returns the setting's value if its variable is not set.
func (s setting) fallback() string { return s.field.Tag.Get("envDefault") }

func (s setting) mayBeEmpty() bool { return s.fallback() == "" && !s.required() }

func (s setting) choices() []string {
	if words := s.field.Tag.Get("oneof"); words != "" {
		return strings.Split(words, ",")
	}
	return nil
}

func (s setting) allows(text string) bool {
	return s.choices() == nil || slices.Contains(s.choices(), text)
}

func (s setting) help() string { return s.field.Tag.Get("help") }

// secret reports whether the setting's text must not be shown. A certificate is no
// secret, but a key may have been put in its place.
func (s setting) secret() bool {
	switch s.zero().(type) {
	case Token, Certificates, PrivateKey, TicketKey:
		return true
	}
	return false
}

// hidden reports whether the setting's text in h must not be shown: it is a secret, or it
// is from a file and is what a probe sends or expects, which may be a password.
func (s setting) hidden(h holder) bool {
	switch s.zero().(type) {
	case Payload, RequestFields:
		_, fromFile := h.source(s.name).File()
		return fromFile
	}
	return s.secret()
}

// mayBeOff reports whether off may be written for 0: a time or a size that may be 0
// then means none, or no limit.
func (s setting) mayBeOff() bool {
	switch s.zero().(type) {
	case time.Duration, Size:
		low, ok := s.limit("min")
		return ok && low == 0
	}
	return false
}

// isList reports whether the setting is a list, whose entries may be on separate lines in a
// file.
func (s setting) isList() bool {
	switch s.zero().(type) {
	case Backends, Prefixes, Peers, StatusSet, ServiceNames, ServerNames, HostNames, PathPrefixes, Protocols:
		return true
	}
	return false
}

// meant returns a hint at the probable meaning of a text that the setting does not accept,
// or nothing.
func (s setting) meant(text string) string {
	var probably string
	switch s.zero().(type) {
	case time.Duration:
		if n, err := strconv.ParseUint(text, 10, 32); err == nil && n > 0 {
			probably = text + "s"
		}
	case Size:
		upper := strings.ToUpper(text)
		unit := strings.TrimLeft(upper, "0123456789")
		switch digits := upper[:len(upper)-len(unit)]; unit {
		case "K", "KB", "KIB":
			probably = digits + "KiB"
		case "M", "MB", "MIB":
			probably = digits + "MiB"
		case "G", "GB", "GIB":
			probably = digits + "GiB"
		}
	case Certificates, PrivateKey:
		if strings.HasPrefix(text, "/") {
			return "; did you mean " + s.name + "_FILE?"
		}
	case RequestMethod:
		if upper := strings.ToUpper(text); upper != text && new(RequestMethod).UnmarshalText([]byte(upper)) == nil {
			probably = upper
		}
	case Address:
		if _, err := strconv.ParseUint(text, 10, 16); err == nil {
			probably = ":" + text
		} else if addr, port, ok := bareIPv6(text); ok {
			probably = net.JoinHostPort(addr, port)
		}
	}
	if probably == "" {
		return ""
	}
	return "; did you mean " + probably + "?"
}

// bareIPv6 splits an IPv6 address without brackets from the port behind it.
func bareIPv6(text string) (addr, port string, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || strings.Count(text, ":") < 2 {
		return "", "", false
	}
	ip, err := netip.ParseAddr(text[:i])
	return text[:i], text[i+1:], err == nil && ip.Is6()
}

// expected describes the texts that the setting accepts.
func (s setting) expected() string {
	_, expected := s.kind()
	return expected
}

// zero returns a zero value of the setting's type.
func (s setting) zero() any { return reflect.Zero(s.field.Type).Interface() }

// value returns the setting's field in h.
func (s setting) value(h holder) reflect.Value {
	return reflect.ValueOf(h).Elem().FieldByIndex(s.field.Index)
}

// same reports whether the setting is the same in two holders. Secrets that differ may
// print alike.
func (s setting) same(a, b holder) bool {
	if s.secret() {
		return s.value(a).Equal(s.value(b))
	}
	return s.format(a) == s.format(b)
}

// inRange reports whether the field in h is within the setting's min and max.
func (s setting) inRange(h holder) bool {
	v := s.value(h)
	if low, ok := s.limit("min"); ok && v.Int() < low {
		return false
	}
	high, ok := s.limit("max")
	return !ok || v.Int() <= high
}

// limit returns the number in a min or max tag.
func (s setting) limit(tag string) (int64, bool) {
	text, ok := s.field.Tag.Lookup(tag)
	if !ok {
		return 0, false
	}
	if s.field.Type == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		return int64(d), err == nil
	}
	var n Size
	err := n.UnmarshalText([]byte(text))
	return int64(n), err == nil
}

// bounds describes the range that min and max allow.
func (s setting) bounds() string {
	low, high := s.field.Tag.Get("min"), s.field.Tag.Get("max")
	if high == "" {
		return "of at least " + low
	}
	return "from " + low + " to " + high
}

// orOff returns the words for a setting that may be off.
func (s setting) orOff() string {
	if s.mayBeOff() {
		return ", or off"
	}
	return ""
}

// kind names the texts that a setting accepts, and describes them in full for an error.
func (s setting) kind() (name, expected string) {
	if words := s.choices(); words != nil {
		last := len(words) - 1
		return strings.Join(words, "|"), strings.Join(words[:last], ", ") + " or " + words[last]
	}
	switch s.zero().(type) {
	case Backends:
		return "list", "at least one host:port or unix:/path, separated by commas, such as 10.0.0.1:8001,10.0.0.2:8001"
	case Address:
		return "address", "host:port, :port or unix:/path, or off"
	case RequestPath:
		return "path", "a path that begins with / and has no spaces, control characters or #"
	case RequestMethod:
		return "method", "an HTTP method in upper case, such as GET, HEAD or OPTIONS"
	case RequestHost:
		return "host", "a host, with a port or without, such as api.example.com"
	case RequestFields:
		return "text", `header lines such as Name: value, separated by \r\n, without Host (LB_HEALTH_HOST), Connection, Content-Length and Transfer-Encoding`
	case Pattern:
		return "pattern", "a regular expression in RE2's syntax, such as ^220[ -]"
	case StatusSet:
		return "statuses", "statuses from 100 to 599, such as 200 or 200-299,304"
	case Prefixes:
		return "list", "addresses or CIDRs separated by commas"
	case Peers:
		return "list", "addresses, CIDRs or unix, separated by commas"
	case ServiceNames:
		return "list", "names separated by commas, of lower-case letters and digits, such as rw,ro"
	case ServerNames:
		return "list", "host names separated by commas, also with *. in front, such as a.example.com,*.b.example.com"
	case HostNames:
		return "list", "hosts separated by commas, without ports, also with *. in front, such as a.example.com,*.b.example.com"
	case PathPrefixes:
		return "list", "paths that begin with /, separated by commas, such as /api,/static"
	case DNSServer:
		return "address", "a host, with a port or without, such as 10.0.0.53 or consul:8600"
	case Payload:
		return "text", `text, in which \r, \n, \t, \0, \xNN and \\ stand for bytes`
	case Directory:
		return "path", "the path of a directory"
	case Protocols:
		return "list", "protocols separated by commas, such as h2,http/1.1"
	case TicketKey:
		return "key", "32 bytes in base64, as openssl rand -base64 32 prints them"
	case Certificates:
		return "PEM", "certificates in PEM, which begin with -----BEGIN CERTIFICATE-----"
	case PrivateKey:
		return "PEM", "a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----"
	case ServerName:
		return "name", "a host name or an IP address, without a port, such as db.example.com"
	case Token:
		return "text", "visible ASCII characters without spaces"
	case Size:
		return "size", "a size " + s.bounds() + ", in bytes or with KiB, MiB or GiB" + s.orOff()
	case time.Duration:
		return "duration", "a duration " + s.bounds() + ", such as 500ms or 1m30s" + s.orOff()
	}
	return "number", "a whole number " + s.bounds()
}

// format returns the setting's value in h in the form that its variable takes.
func (s setting) format(h holder) string {
	switch v := s.value(h).Interface().(type) {
	case slog.Level:
		return strings.ToLower(v.String())
	case time.Duration:
		text := v.String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	}
	return fmt.Sprint(s.value(h))
}
