package l4

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
)

// helloOf returns what a client sends first: crypto/tls with X25519MLKEM768 among its
// keys, as it is by default.
func helloOf(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	var sent bytes.Buffer
	go func() {
		defer func() { _ = server.Close() }()
		head := make([]byte, recordHeader)
		_, _ = readFull(server, head)
		body := make([]byte, binary.BigEndian.Uint16(head[3:]))
		_, _ = readFull(server, body)
		sent.Write(head)
		sent.Write(body)
	}()
	config.InsecureSkipVerify = true
	if err := tls.Client(client, config).HandshakeContext(t.Context()); err == nil {
		t.Fatal("a handshake without a server")
	}
	return sent.Bytes()
}

func readFull(conn net.Conn, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var got int
		got, err = conn.Read(p[n:])
		n += got
	}
	return n, err
}

// inRecords spreads a hello over records of so many bytes.
func inRecords(hello []byte, size int) []byte {
	var all []byte
	for part := range slices.Chunk(hello[recordHeader:], size) {
		all = append(all, recordHandshake, 3, 1, byte(len(part)>>8), byte(len(part)))
		all = append(all, part...)
	}
	return all
}

// message returns a hello with these extensions, in one record.
func message(extensions string) []byte {
	body := "\x03\x03" + strings.Repeat("r", 32) + "\x00" + "\x00\x02\x13\x01" + "\x01\x00" +
		string(binary.BigEndian.AppendUint16(nil, uint16(len(extensions)))) + extensions
	msg := append([]byte{clientHello, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	return append([]byte{recordHandshake, 3, 1, byte(len(msg) >> 8), byte(len(msg))}, msg...)
}

const named8 = "\x00\x00\x00\x0d\x00\x0b\x00\x00\x08a.exampl"

func TestHello(t *testing.T) {
	plain := helloOf(t, &tls.Config{ServerName: "db.example.com"})
	if len(plain) < 1500 {
		t.Fatalf("%d bytes: no key of ML-KEM", len(plain))
	}
	long := slices.Repeat([]byte("\xfe\x00\x0f\xff"+strings.Repeat("x", 0xfff)), 12) // 48 KiB of an unknown extension
	for _, tt := range []struct {
		name  string
		bytes []byte
		want  string
		isTLS bool
	}{
		{"with ML-KEM", plain, "db.example.com", true},
		{"TLS 1.2 alone", helloOf(t, &tls.Config{ServerName: "db.example.com", MaxVersion: tls.VersionTLS12}), "db.example.com", true},
		{"no name", helloOf(t, &tls.Config{}), "", true},
		{"records of one byte", inRecords(plain, 1), "db.example.com", true},
		{"the head in two records", inRecords(plain, 3), "db.example.com", true},
		{"bytes behind it", append(slices.Clone(plain), "early data"...), "db.example.com", true},
		{"a large one", inRecords(message(string(long)+named8), recordPayload), "a.exampl", true},
		{"too large a one", []byte{recordHandshake, 3, 1, 0, 5, clientHello, 1, 0, 0, 3}, "", true},
		{"two names", message(named8 + named8), "", true},
		{"an unknown type of name", message("\x00\x00\x00\x0d\x00\x0b\x01\x00\x08a.exampl"), "", true},
		{"a name longer than its extension", message("\x00\x00\x00\x0d\x00\x0b\x00\x00\x09a.exampl"), "", true},
		{"a name beside one of an unknown type", message("\x00\x00\x00\x11\x00\x0f\x01\x00\x01x\x00\x00\x08a.exampl"), "a.exampl", true},
		{"two names in one extension", message("\x00\x00\x00\x0a\x00\x08\x00\x00\x01a\x00\x00\x01b"), "", true},
		{"extensions cut off", message(named8[:9]), "", true},
		{"not TLS", []byte("SSH-2.0-OpenSSH_9.2\r\n"), "", false},
		{"an HTTP request", []byte("GET / HTTP/1.1\r\n\r\n"), "", false},
		{"another handshake message", []byte{recordHandshake, 3, 1, 0, 4, 2, 0, 0, 0}, "", false},
		{"an empty record", []byte{recordHandshake, 3, 1, 0, 0}, "", false},
		{"a record over the limit", []byte{recordHandshake, 3, 1, 0x40, 1}, "", false},
		{"SSL 2", []byte{0x80, 0x2e, 1, 3, 1}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, step := range []int{1, 7, 1 << 20} {
				var h hello
				n := 0
				for n < len(tt.bytes) && !h.read(tt.bytes[:n]) {
					n = min(n+step, len(tt.bytes))
				}
				if !h.read(tt.bytes[:n]) && step > 1 {
					t.Errorf("in steps of %d: the search goes on after %d bytes", step, n)
				}
				if h.name != tt.want || h.isTLS != tt.isTLS {
					t.Errorf("in steps of %d: name %q, TLS %t, want %q, %t", step, h.name, h.isTLS, tt.want, tt.isTLS)
				}
			}
		})
	}
}

// FuzzHello pins that the search takes any bytes, in any pieces, finds the same in them
// as at once, and what crypto/tls finds if that accepts them.
func FuzzHello(f *testing.F) {
	f.Add(message(named8), uint16(3))
	f.Add(inRecords(message(named8), 5), uint16(1))
	f.Add(helloOf(f, &tls.Config{ServerName: "db.example.com"}), uint16(100))
	f.Fuzz(func(t *testing.T, all []byte, step uint16) {
		var once, pieces hello
		whole := once.read(all)
		done := false
		for n := 0; n <= len(all) && !done; n += int(step) + 1 {
			done = pieces.read(all[:n])
		}
		if !done {
			done = pieces.read(all)
		}
		if done != whole || once.name != pieces.name || once.isTLS != pieces.isTLS {
			t.Errorf("at once %t %q %t, in pieces %t %q %t", whole, once.name, once.isTLS, done, pieces.name, pieces.isTLS)
		}
		if name, ok := theirName(all); ok && whole && len(all) < helloMax && name != strings.TrimSuffix(once.name, ".") {
			t.Errorf("found %q, crypto/tls %q", once.name, name)
		}
	})
}

var errSeen = errors.New("seen")

// theirName returns the name that crypto/tls finds, if it gets as far as that.
func theirName(all []byte) (name string, ok bool) {
	config := &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		name, ok = info.ServerName, true
		return nil, errSeen
	}}
	_ = tls.Server(&scripted{Reader: *bytes.NewReader(all)}, config).Handshake()
	return name, ok
}

// scripted is a connection whose peer has sent some bytes and takes any.
type scripted struct {
	net.Conn
	bytes.Reader
}

func (s *scripted) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s *scripted) Write(p []byte) (int, error) { return len(p), nil }
func (s *scripted) Close() error                { return nil }
