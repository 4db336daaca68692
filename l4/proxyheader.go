package l4

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// Sizes of the PROXY protocol's headers (its specification, sections 2.1, 2.2).
const (
	v1Max    = 107     // CRLF included
	v2Fixed  = 16      // signature, version, family and length
	v2Max    = 4 << 10 // ours: addresses take 216 at most, the rest is TLVs
	v1Prefix = "PROXY "
)

var (
	v2Prefix = proxyproto.SIGV2

	errNoHeader  = errors.New("no PROXY header")
	errLongHead  = errors.New("PROXY header too long")
	errBrokenOff = errors.New("connection ended in the PROXY header")
)

// headers are buffers for a header.
var headers = sync.Pool{New: func() any { return new([v2Max]byte) }}

// readProxyHeader reads the header that the connection begins with, and not a
// byte more, and puts its addresses in v. A header that names no client (LOCAL,
// UNKNOWN) leaves them.
func readProxyHeader(conn net.Conn, v *Visitor) error {
	buf := headers.Get().(*[v2Max]byte)
	defer headers.Put(buf)
	head, err := peekHeader(conn, buf[:])
	if err != nil {
		return err
	}
	parsed, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(head), len(head)))
	if err != nil {
		return fmt.Errorf("read PROXY header: %w", err)
	}
	if _, err := io.ReadFull(conn, head); err != nil { // it is there: it was peeked at
		return fmt.Errorf("read PROXY header: %w", err)
	}
	if !parsed.Command.IsLocal() {
		v.adopt(parsed)
	}
	return nil
}

func (v *Visitor) adopt(header *proxyproto.Header) {
	if client := addrPort(header.SourceAddr); client.IsValid() {
		local := addrPort(header.DestinationAddr)
		v.Client, v.local = client, &local
	}
}

// peekHeader waits until a whole header has arrived, and returns it without
// taking it from the socket.
func peekHeader(conn net.Conn, buf []byte) ([]byte, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, errNoHeader
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(headerTimeout))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	var size int
	var broken error
	err = raw.Read(func(fd uintptr) bool {
		n, err := peek(fd, buf)
		switch {
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			broken = err
		case n == 0:
			broken = errBrokenOff
		default:
			size, broken = headerSize(buf[:n])
			if broken == nil && size == 0 && peerEnded(fd) {
				broken = errBrokenOff
			}
			return broken != nil || size > 0
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return buf[:size], broken
}

// headerSize returns how long the header is that b begins with, 0 if more bytes are
// needed to know.
func headerSize(b []byte) (int, error) {
	switch {
	case hasOrMayHave(b, []byte(v1Prefix)):
		if i := bytes.IndexByte(b, '\n'); i >= 0 && i < v1Max {
			return i + 1, nil
		}
		if len(b) >= v1Max {
			return 0, errLongHead
		}
		return 0, nil
	case hasOrMayHave(b, v2Prefix):
		if len(b) < v2Fixed {
			return 0, nil
		}
		size := v2Fixed + int(binary.BigEndian.Uint16(b[v2Fixed-2:]))
		if size > v2Max {
			return 0, errLongHead
		}
		if len(b) < size {
			return 0, nil
		}
		return size, nil
	}
	return 0, errNoHeader
}

// hasOrMayHave reports whether b begins with prefix, as far as b goes.
func hasOrMayHave(b, prefix []byte) bool {
	n := min(len(b), len(prefix))
	return bytes.Equal(b[:n], prefix[:n])
}

// writeProxyHeader sends a backend the client's address, or for a client of a Unix socket
// that it has none. Version 2 also has the facts of its TLS.
func (ses *session) writeProxyHeader(conn net.Conn) error {
	v := &ses.visitor
	header := proxyproto.HeaderProxyFromAddrs(ses.server.SendProxy, tcpAddr(v.Client), tcpAddr(v.Local(ses.client)))
	if header.Version == 2 && ses.secured != nil {
		tlvs, err := ses.secured.tlvs()
		if err == nil {
			err = header.SetTLVs(tlvs)
		}
		if err != nil {
			return err
		}
	}
	_, err := header.WriteTo(conn)
	return err
}

// tlvs returns the part of a PROXY header about TLS (its specification, section 2.2).
func (t *TLSInfo) tlvs() (all []proxyproto.TLV, err error) {
	if t.Protocol != "" {
		all = append(all, proxyproto.TLV{Type: proxyproto.PP2_TYPE_ALPN, Value: []byte(t.Protocol)})
	}
	if t.ServerName != "" {
		all = append(all, proxyproto.TLV{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: []byte(t.ServerName)})
	}
	ssl := tlvparse.PP2SSL{
		Client: tlvparse.PP2_BITFIELD_CLIENT_SSL, Verify: 1,
		TLV: []proxyproto.TLV{{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte("TLSv" + t.Version)}},
	}
	if t.verified {
		ssl.Client |= tlvparse.PP2_BITFIELD_CLIENT_CERT_CONN | tlvparse.PP2_BITFIELD_CLIENT_CERT_SESS
		ssl.Verify = 0
		ssl.TLV = append(ssl.TLV, proxyproto.TLV{Type: proxyproto.PP2_SUBTYPE_SSL_CN, Value: []byte(t.ClientName)})
	}
	tlv, err := ssl.Marshal()
	return append(all, tlv), err
}

// tcpAddr returns nil for an address that there is not.
func tcpAddr(ap netip.AddrPort) net.Addr {
	if !ap.IsValid() {
		return nil
	}
	return net.TCPAddrFromAddrPort(ap)
}
