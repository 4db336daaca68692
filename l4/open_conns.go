package l4

import (
	"net/netip"
	"slices"
	"time"
)

// OpenConn is an open client connection, as OpenConns has it.
type OpenConn struct {
	Loop   int    // the index of its event loop
	Number uint64 // no other connection of the frontend in that loop has it
	Client netip.AddrPort
	// Backend is empty if the connection has none at present.
	Backend string
	// State is what the connection is doing, in words.
	State          string
	Began          time.Time
	Received, Sent int64   // bytes from and to the client
	Rate           float64 // bytes a second, both ways, since the last list or since it began
}

// OpenConns is a list of some open connections: those that began first, and those that move
// the most bytes. Limit is how many of each, and is set before use.
type OpenConns struct {
	Limit            int
	Longest, Busiest []OpenConn // the first comes first
}

// Consider adds a connection if it belongs on the list. The same one may be considered twice.
func (o *OpenConns) Consider(c *OpenConn) {
	o.Longest = o.insert(o.Longest, c, func(a, b *OpenConn) bool { return a.Began.Before(b.Began) })
	o.Busiest = o.insert(o.Busiest, c, busier)
}

// busier reports whether a moves more bytes than b, or if they are equal, has moved more.
func busier(a, b *OpenConn) bool {
	if a.Rate != b.Rate {
		return a.Rate > b.Rate
	}
	return a.Received+a.Sent > b.Received+b.Sent
}

// insert puts c into its place of a list, unless that would be past the limit.
func (o *OpenConns) insert(list []OpenConn, c *OpenConn, before func(a, b *OpenConn) bool) []OpenConn {
	if n := len(list); n >= o.Limit && (n == 0 || !before(c, &list[n-1])) {
		return list
	}
	place := len(list)
	for i := range list {
		if list[i].Loop == c.Loop && list[i].Number == c.Number {
			return list
		}
		if place == len(list) && before(c, &list[i]) {
			place = i
		}
	}
	list = slices.Insert(list, place, *c)
	return list[:min(len(list), o.Limit)]
}

// Listing is when a loop's connections were listed last. It belongs to the loop.
type Listing struct{ last time.Time }

// Rate returns how many bytes a second a connection has moved by now since the last list, or
// since it began if that was later. before is how many it had moved at the last list.
func (l *Listing) Rate(c *OpenConn, before int64, now time.Time) float64 {
	since := c.Began
	if l.last.After(since) {
		since = l.last
	}
	seconds := now.Sub(since).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(c.Received+c.Sent-before) / seconds
}

// Done notes that a list was made.
func (l *Listing) Done(now time.Time) { l.last = now }
