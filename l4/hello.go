package l4

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
)

// What a TLS client sends first (RFC 8446, sections 4 and 5.1).
const (
	messageHead     = 4  // bytes: type and length
	recordHandshake = 22 // the types of the record and of the message
	clientHello     = 1
	serverName      = 0 // the extension (RFC 6066, section 3), and its type for host names

	// helloMax bounds what is read of a client in search of its hello: records with
	// their heads. Those with keys of ML-KEM have 2 KiB.
	helloMax = 64 << 10
)

// hello finds the server name in the bytes of a client, as they come: in several pieces,
// and with the message in several records.
type hello struct {
	taken int    // bytes of the records that have been read
	msg   []byte // the handshake message, as far as it was in them
	isTLS bool   // it is a hello, whole or not
	name  string // that the client asks for; empty if it asks for none, or is not known yet
}

// read takes all bytes that have come since the connection began; they must not change
// before the last call. It reports whether the search has ended: with the whole hello, or
// because these bytes are not one.
func (h *hello) read(all []byte) (done bool) {
	for {
		record, state := nextRecord(all[h.taken:])
		switch state {
		case malformed:
			return true
		case incomplete:
			return len(all) >= helloMax
		}
		if h.taken == 0 {
			h.msg = record[:len(record):len(record)] // which append copies
		} else {
			h.msg = append(h.msg, record...)
		}
		h.taken += recordHeader + len(record)
		if h.isTLS = h.msg[0] == clientHello; !h.isTLS {
			return true
		}
		size, known := messageSize(h.msg)
		switch {
		case known && len(h.msg) >= size:
			h.name = nameIn(extensionsOf(h.msg[:size]))
			return true
		case known && size > helloMax:
			return true
		}
	}
}

// What the next bytes are.
type recordState uint8

const (
	complete   recordState = iota // a whole record
	incomplete                    // the beginning of a record
	malformed                     // something else
)

// nextRecord returns the content of the handshake record that b begins with.
func nextRecord(b []byte) ([]byte, recordState) {
	switch {
	case len(b) > 0 && b[0] != recordHandshake, len(b) > 1 && b[1] >= 0x10: // a version that crypto/tls refuses
		return nil, malformed
	case len(b) < recordHeader:
		return nil, incomplete
	}
	size := int(binary.BigEndian.Uint16(b[3:]))
	switch {
	case size == 0 || size > recordPayload:
		return nil, malformed
	case len(b) < recordHeader+size:
		return nil, incomplete
	}
	return b[recordHeader : recordHeader+size], complete
}

// messageSize returns the length of the message with its head, once that is known.
func messageSize(msg []byte) (n int, known bool) {
	if len(msg) < messageHead {
		return 0, false
	}
	return messageHead + int(msg[1])<<16 + int(msg[2])<<8 + int(msg[3]), true
}

// extensionsOf returns the extensions of a whole hello (RFC 8446, section 4.1.2), or
// nothing of a malformed one: it names no server, and the backend that gets it refuses it.
func extensionsOf(msg []byte) (extensions cryptobyte.String) {
	const versionAndRandom = 2 + 32
	body := cryptobyte.String(msg[messageHead:])
	var session, suites, compression cryptobyte.String
	if !body.Skip(versionAndRandom) || !body.ReadUint8LengthPrefixed(&session) ||
		!body.ReadUint16LengthPrefixed(&suites) || !body.ReadUint8LengthPrefixed(&compression) ||
		!body.ReadUint16LengthPrefixed(&extensions) || !body.Empty() {
		return nil
	}
	return extensions
}

// nameIn returns the name in the only server_name extension, or nothing.
func nameIn(extensions cryptobyte.String) (name string) {
	found := false
	for !extensions.Empty() {
		var kind uint16
		var content cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&content) {
			return ""
		}
		if kind != serverName {
			continue
		}
		var ok bool
		if name, ok = soleName(content); found || !ok {
			return ""
		}
		found = true
	}
	return name
}

// soleName returns the host name in the content of a server_name extension. There must not
// be two of one type; other types than that of host names are unknown.
func soleName(content cryptobyte.String) (host string, ok bool) {
	var list cryptobyte.String
	if !content.ReadUint16LengthPrefixed(&list) || !content.Empty() {
		return "", false
	}
	for !list.Empty() {
		var kind uint8
		var name cryptobyte.String
		if !list.ReadUint8(&kind) || !list.ReadUint16LengthPrefixed(&name) {
			return "", false
		}
		if kind != serverName {
			continue
		}
		if host != "" {
			return "", false
		}
		host = string(name)
	}
	return host, true
}
