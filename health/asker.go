package health

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// How long a server may take for a response to one query. It is asked twice, with EDNS
// and without, before package net turns to the next server.
const (
	patience      = time.Second
	shortPatience = 250 * time.Millisecond // if it did not respond the last time
)

// maxDatagram is the size of a response by UDP that servers are told to keep to: one
// that is not fragmented (RFC 9715 section 3.2).
const maxDatagram = 1232

// asker asks DNS servers the questions of package net's resolver, and remembers how each
// server responded.
type asker struct {
	dialer net.Dialer

	mu    sync.Mutex
	known map[asked]habits
}

// asked is a server and the type of the questions: some servers respond to A alone.
type asked struct {
	server string
	qtype  uint16
}

// ask returns the server's response to a query, over udp or tcp.
func (a *asker) ask(ctx context.Context, network, server string, query *dns.Msg) (*dns.Msg, error) {
	who := asked{server, query.Question[0].Qtype}
	a.mu.Lock()
	was := a.known[who]
	a.mu.Unlock()
	resp, now, err := a.askBoth(ctx, network, server, query, was)
	if errors.Is(err, context.Canceled) {
		return nil, err // cut off: it is no sign of how the server works
	}
	a.mu.Lock()
	a.known[who] = now
	a.mu.Unlock()
	return resp, err
}

// habits are how a server has behaved so far.
type habits struct {
	silent bool // it did not respond the last time
	plain  bool // it responds only to queries without EDNS (RFC 6891 section 6.2.2)
}

// askBoth asks with EDNS, unless the server is known not to take it, and without if there
// was no good response.
func (a *asker) askBoth(ctx context.Context, network, server string, query *dns.Msg, was habits) (*dns.Msg, habits, error) {
	limit := patience
	if was.silent {
		limit = shortPatience
	}
	query.Extra = nil
	unheard := true // every query so far timed out
	if !was.plain {
		if deadline, ok := ctx.Deadline(); ok {
			limit = min(limit, time.Until(deadline)/2)
		}
		resp, err := a.askOnce(ctx, network, server, query.Copy().SetEdns0(maxDatagram, false), limit)
		if good(resp, err) {
			return resp, habits{}, nil
		}
		unheard = isTimeout(err)
	}
	resp, err := a.askOnce(ctx, network, server, query, limit)
	return resp, habits{silent: unheard && isTimeout(err), plain: good(resp, err)}, err
}

// good reports whether the server took the query: the name may still not exist.
func good(resp *dns.Msg, err error) bool {
	return err == nil && (resp.Rcode == dns.RcodeSuccess || resp.Rcode == dns.RcodeNameError)
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

func (a *asker) askOnce(ctx context.Context, network, server string, query *dns.Msg, limit time.Duration) (*dns.Msg, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	client := &dns.Client{Net: network, Dialer: &a.dialer, UDPSize: 4096}
	conn, err := client.DialContext(limited, server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	resp, _, err := client.ExchangeWithConnContext(limited, query, conn)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return resp, err
}
