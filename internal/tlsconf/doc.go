// Package tlsconf has the certificates of TLS: whom to believe, what to show, and how both
// are replaced while connections are open.
package tlsconf
