package health

import (
	"context"
	"errors"
	"net"
)

// DNSServer returns a resolver that asks the server at addr, a host:port, instead
// of the system's. Search domains and the hosts file stay the system's.
func DNSServer(addr string) *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	}
}

// withoutServer leaves the server out of a lookup's error. Package net names the
// system's, also where DNSServer had another one asked.
func withoutServer(err error) error {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		return err
	}
	unnamed := *dns
	unnamed.Server = ""
	return &unnamed
}
