// Package tlsconf has the certificates of TLS: those to trust and those to show, and how
// both are replaced while connections are open.
package tlsconf
