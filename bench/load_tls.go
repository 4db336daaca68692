package main

import (
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// clientTLS returns the settings of all clients: one version and one key exchange, and no
// verification, because that is the client's work and is not measured.
func clientTLS() *tls.Config {
	return &tls.Config{
		ServerName: tlsName, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
}

// dialTLS is dial, with a handshake before first is sent.
func dialTLS(addr string, deadline time.Time, first ...byte) (net.Conn, error) {
	conn, err := dial(addr, deadline)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, clientTLS())
	if _, err := secured.Write(first); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

// handshake is a whole connection with a handshake: a byte there and back, closed by the
// server.
type handshake struct {
	addr     string
	deadline time.Time
	config   *tls.Config
	resumes  bool
	in       [2]byte
}

func openHandshake(addr string, deadline time.Time) (operation, error) {
	return &handshake{addr: addr, deadline: deadline, config: clientTLS()}, nil
}

// openResumption is openHandshake with a session that each handshake resumes.
func openResumption(addr string, deadline time.Time) (operation, error) {
	h := &handshake{addr: addr, deadline: deadline, config: clientTLS()}
	h.config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	if _, err := h.do(); err != nil {
		return nil, err
	}
	h.resumes = true
	return h, nil
}

func (h *handshake) do() (int64, error) {
	conn, err := dial(h.addr, h.deadline)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	c := tls.Client(conn, h.config)
	if _, err := c.Write([]byte{commandOnce, '!'}); err != nil {
		return 0, err
	}
	if err := readOnce(c, &h.in); err != nil {
		return 0, err
	}
	if c.ConnectionState().DidResume != h.resumes {
		return 0, errors.New("a session was resumed that should be new, or not resumed")
	}
	return 1, nil
}

func (h *handshake) close() {} // do leaves nothing open
