package health

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
)

// dnsConn is what package net's resolver takes for a connection to a DNS server: it
// writes one query, in the form for TCP (RFC 1035 section 4.2.2) because this is not a
// net.PacketConn, and reads the response.
type dnsConn struct {
	net.Conn // nil: no other methods are called

	ctx      context.Context // of the exchange; Read and Write have no parameter for it
	asker    *asker
	network  string
	server   string
	response bytes.Buffer
}

func (c *dnsConn) Write(b []byte) (int, error) {
	var query dns.Msg
	if err := query.Unpack(b[2:]); err != nil {
		return 0, fmt.Errorf("unpack the query: %w", err)
	}
	resp, err := c.asker.ask(c.ctx, c.network, c.server, &query)
	if err != nil {
		return 0, err
	}
	packed, err := resp.Pack()
	if err != nil {
		return 0, fmt.Errorf("pack the response: %w", err)
	}
	c.response.Write(binary.BigEndian.AppendUint16(nil, uint16(len(packed))))
	c.response.Write(packed)
	return len(b), nil
}

func (c *dnsConn) Read(b []byte) (int, error) { return c.response.Read(b) }

func (c *dnsConn) SetDeadline(time.Time) error { return nil } // the context has it

func (c *dnsConn) Close() error { return nil }
