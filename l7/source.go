package l7

import (
	"bytes"
	"net/netip"

	"fourseven/health"
	"fourseven/l7/http1"
)

// source returns the address that source_hash goes by: the client's, as trusted proxies
// state it in X-Forwarded-For, or else the peer's. It must be called before the request's
// body is read.
func (ex *exchange) source() netip.Addr {
	c := ex.conn
	if !c.trusted || c.srv.Pool.Balance != health.SourceHash {
		return c.peer
	}
	source := c.peer
	for i := len(ex.req.Fields) - 1; i >= 0; i-- {
		f := &ex.req.Fields[i]
		if f.Kind != http1.ForwardedFor {
			continue
		}
		for rest := f.Value; len(rest) > 0; {
			cut := bytes.LastIndexByte(rest, ',')
			addr, ok := parseForwarded(rest[cut+1:])
			if !ok {
				return c.peer
			}
			if source = addr; !c.srv.TrustedProxies.Contains(addr) {
				return addr
			}
			rest = rest[:max(cut, 0)]
		}
	}
	return source
}

// parseForwarded reads an entry of X-Forwarded-For: an address, to which some proxies add
// the port, or only the brackets of an IPv6 address.
func parseForwarded(entry []byte) (netip.Addr, bool) {
	text := string(bytes.TrimSpace(entry))
	if len(text) > 1 && text[0] == '[' && text[len(text)-1] == ']' {
		text = text[1 : len(text)-1]
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		var ap netip.AddrPort
		ap, err = netip.ParseAddrPort(text)
		addr = ap.Addr()
	}
	return addr.Unmap().WithZone(""), err == nil
}
