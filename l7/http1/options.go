package http1

import "bytes"

// maxNamed bounds how many fields Connection may name: each is compared with
// every field of the head.
const maxNamed = 32

// Options is what the Connection fields of a head say (RFC 9110 section 7.6.1).
type Options struct {
	Close, KeepAlive, Upgrade bool
	// named are the plain fields that Connection names. Fields that frame or route
	// the message are left out.
	named [][]byte
}

// add takes the options of one Connection field. It reports false if there are
// too many.
func (o *Options) add(value []byte) bool {
	for len(value) > 0 {
		var token []byte
		token, value, _ = bytes.Cut(value, []byte(","))
		token = trimSpace(token)
		switch {
		case len(token) == 0:
		case equalFold(token, "close"):
			o.Close = true
		case equalFold(token, "keep-alive"):
			o.KeepAlive = true
		case equalFold(token, "upgrade"):
			o.Upgrade = true
		default:
			if k, _ := kindOf(token); k != Plain {
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

// Names reports whether Connection names the field, so that it is not passed on.
func (o *Options) Names(name []byte) bool { return len(o.named) > 0 && o.lists(name) }

func (o *Options) lists(name []byte) bool {
	for _, n := range o.named {
		if bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func (o *Options) reset() {
	*o = Options{named: o.named[:0]}
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
