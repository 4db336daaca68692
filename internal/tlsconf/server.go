package tlsconf

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server has the certificates that clients are shown, and how TLS is spoken to them. Its
// exported fields are set before use. Set must have succeeded once before a connection
// uses what Config returns. It is safe for concurrent use.
type Server struct {
	// Minimum is the least version, such as tls.VersionTLS12.
	Minimum uint16

	certs atomic.Pointer[chooser]

	mu      sync.Mutex
	from    Sources
	last    content     // that is in use
	config  *tls.Config // of it, but for protocols
	tickets [][32]byte  // that encrypt, and decrypt, session tickets
	configs []*listening
}

// listening is a configuration that Config has returned, and what it refers to.
type listening struct {
	config    *tls.Config
	protocols []string
	current   atomic.Pointer[tls.Config]
}

// Sources are where a Server's certificates are from.
type Sources struct {
	// Cert and Key are a pair in PEM, or both empty.
	Cert, Key Text
	// Dir is a directory with further pairs, or empty: see ReadDir.
	Dir string
	// ClientCA has the authorities of the certificates that clients must have. If empty,
	// clients need none.
	ClientCA Text
	// TicketKey encrypts session tickets: 32 bytes, which several instances must share
	// for a session of one to be resumed with another. If empty, each instance has keys
	// of its own, which it changes each day. See ParseTicketKey.
	TicketKey Text
}

// Text is a value, and the path of the file that it was read from, if there was one.
type Text struct{ Value, Path string }

// content is all that was read from the sources at one time.
type content struct {
	cert, key, clientCA, ticketKey string
	dir                            []Pair
}

// Expiry is when a certificate expires.
type Expiry struct {
	Source string   // the pair's name in a directory, or empty for that of Cert and Key
	Names  []string // that it is for
	At     time.Time
}

// Set takes the sources, whose texts have been read, and reads the directory. If anything
// is not valid, the error has the reason, and nothing changes. It has nothing of a key in it.
func (s *Server) Set(from Sources) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := content{cert: from.Cert.Value, key: from.Key.Value, clientCA: from.ClientCA.Value, ticketKey: from.TicketKey.Value}
	var err error
	if from.Dir != "" {
		if now.dir, err = ReadDir(from.Dir); err != nil {
			return err
		}
	}
	s.from = from
	return s.useLocked(now)
}

// settle is the pause between two readings, which must agree.
const settle = 100 * time.Millisecond

// errUnsettled is the error of Reload while something is being written.
var errUnsettled = errors.New("the files are being changed")

// Unsettled reports whether an error of Reload means that the files were being changed: it
// is to be called again soon.
func Unsettled(err error) bool { return errors.Is(err, errUnsettled) }

// Reload reads the files and the directory again, and reports whether new connections use
// something else than before. It takes what two readings agree on, if it is valid; else
// nothing changes, and the error has the reason. It waits for files and between the
// readings.
func (s *Server) Reload() (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, changed, err := settled(s.readLocked, s.last, content.equal)
	if err != nil || !changed {
		return false, err
	}
	err = s.useLocked(now)
	return err == nil, err
}

// settled returns what two readings agree on, and whether it is something else than the
// last content, which is in use. Between the readings it waits.
func settled[T any](read func() (T, error), last T, equal func(a, b T) bool) (now T, changed bool, err error) {
	first, err := read()
	if err == nil && equal(first, last) {
		return first, false, nil
	}
	time.Sleep(settle)
	now, again := read()
	if (err == nil) != (again == nil) || err == nil && !equal(first, now) {
		return now, false, errUnsettled
	}
	return now, again == nil, again
}

func (s *Server) readLocked() (now content, err error) {
	for _, one := range []struct {
		to   *string
		from Text
	}{
		{&now.cert, s.from.Cert}, {&now.key, s.from.Key}, {&now.clientCA, s.from.ClientCA}, {&now.ticketKey, s.from.TicketKey},
	} {
		if *one.to, err = one.from.read(); err != nil {
			return now, err
		}
	}
	if s.from.Dir != "" {
		now.dir, err = ReadDir(s.from.Dir)
	}
	return now, err
}

func (c content) equal(other content) bool {
	if c.cert != other.cert || c.key != other.key || c.clientCA != other.clientCA || c.ticketKey != other.ticketKey || len(c.dir) != len(other.dir) {
		return false
	}
	for i := range c.dir {
		if c.dir[i].Name != other.dir[i].Name || !bytes.Equal(c.dir[i].Cert, other.dir[i].Cert) || !bytes.Equal(c.dir[i].Key, other.dir[i].Key) {
			return false
		}
	}
	return true
}

// useLocked makes new connections use the content that was read.
func (s *Server) useLocked(now content) error {
	certs, err := newChooser(&now)
	if err != nil {
		return err
	}
	cfg := &tls.Config{
		MinVersion: s.Minimum, GetCertificate: certs.choose,
		// Whole records, as nginx and HAProxy send them.
		DynamicRecordSizingDisabled: true,
	}
	if now.clientCA != "" {
		authorities, err := ParseCertificates([]byte(now.clientCA))
		if err != nil {
			return fmt.Errorf("authorities of clients: %w", err)
		}
		cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, poolOf(authorities)
	}
	if err := s.ticketLocked(now.ticketKey); err != nil {
		return err
	}
	s.last, s.config = now, cfg
	s.certs.Store(certs)
	for _, l := range s.configs {
		s.equipLocked(l)
	}
	return nil
}

// ticketLocked takes the key of session tickets. The one before still decrypts.
func (s *Server) ticketLocked(text string) error {
	if text == "" {
		return nil
	}
	key, err := ParseTicketKey(text)
	if err != nil {
		return err
	}
	if len(s.tickets) == 0 || s.tickets[0] != key {
		s.tickets = append([][32]byte{key}, s.tickets[:min(1, len(s.tickets))]...)
	}
	return nil
}

// ParseTicketKey reads 32 bytes in base64, as openssl rand -base64 32 prints them.
func ParseTicketKey(text string) (key [32]byte, err error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || copy(key[:], b) != len(key) || len(b) != len(key) {
		return key, errors.New("key of session tickets: expected 32 bytes in base64")
	}
	return key, nil
}

// equipLocked makes a configuration refer to what is in use.
func (s *Server) equipLocked(l *listening) {
	if s.config == nil {
		return // Set comes later
	}
	cfg := s.config.Clone()
	cfg.NextProtos = l.protocols
	l.current.Store(cfg)
	if len(s.tickets) > 0 {
		l.config.SetSessionTicketKeys(s.tickets)
	}
}

// Config returns the settings of a listener that offers these protocols (ALPN, RFC 7301),
// if there are any. A connection gets what the Server has when it begins.
func (s *Server) Config(protocols ...string) *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &listening{protocols: protocols}
	l.config = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.current.Load(), nil }}
	s.configs = append(s.configs, l)
	s.equipLocked(l)
	return l.config
}

// Expiries returns when the certificates in use expire, in the order of the sources.
func (s *Server) Expiries() []Expiry {
	if certs := s.certs.Load(); certs != nil {
		return certs.expiries
	}
	return nil
}
