package l7

import (
	"bytes"
	"cmp"
	"slices"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// Routes chooses a Server for a request by its host and path.
type Routes struct {
	// Default gets the requests that nothing was added for. If nil, they get 404.
	Default *Server

	hosts l4.Names[*paths]
	any   paths // for every host
}

// Add has a server get the requests for a host whose path begins with a prefix.
//
// The host is as in l4.Names; empty is every host. /api is the prefix of /api itself and
// of /api/x, byte for byte, and not of /apix; empty is that of every path. A whole host
// comes before one with *., that before every host, and then the longest prefix.
func (r *Routes) Add(host, prefix string, s *Server) {
	of := &r.any
	if host != "" {
		if of = r.hosts.Of(host); of == nil {
			of = new(paths)
			r.hosts.Add(host, of)
		}
	}
	*of = append(*of, pathRoute{[]byte(prefix), s})
	slices.SortStableFunc(*of, func(a, b pathRoute) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
}

// find returns the server for a request, or nil.
func (r *Routes) find(req *http1.Request) *Server {
	path, _, _ := bytes.Cut(req.Target, []byte("?"))
	name, _, _ := http1.CutPort(req.Host)
	exact, wildcard := r.hosts.Find(name)
	for _, of := range []*paths{exact, wildcard, &r.any} {
		if s := of.find(path); s != nil {
			return s
		}
	}
	return r.Default
}

// paths are the routes of one host, the longest prefix first.
type paths []pathRoute

type pathRoute struct {
	prefix []byte
	server *Server
}

// find returns the server for a path, or nil.
func (p *paths) find(path []byte) *Server {
	if p == nil {
		return nil
	}
	for i := range *p {
		if one := &(*p)[i]; one.matches(path) {
			return one.server
		}
	}
	return nil
}

// matches reports whether the path is the prefix, or goes on behind it with a segment.
func (r *pathRoute) matches(path []byte) bool {
	n := len(r.prefix)
	return bytes.HasPrefix(path, r.prefix) && (n == 0 || len(path) == n || r.prefix[n-1] == '/' || path[n] == '/')
}
