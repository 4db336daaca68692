package l7_test

import (
	"io"
	"net"
	"testing"
)

// BenchmarkForward measures one small GET, the client's and the backend's work
// included: both are loops over fixed bytes that allocate nothing.
func BenchmarkForward(b *testing.B) {
	p := startProxy(b, nil, scriptedBackend(b, func(nc net.Conn) {
		buf := make([]byte, 4096)
		for {
			if _, err := nc.Read(buf); err != nil {
				return
			}
			if _, err := nc.Write(answerBytes); err != nil {
				return
			}
		}
	}))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		nc, err := net.Dial("tcp", p.addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = nc.Close() }()
		request, response := []byte(get), make([]byte, len(plainAnswer))
		for pb.Next() {
			if _, err := nc.Write(request); err != nil {
				b.Error(err)
				return
			}
			if _, err := io.ReadFull(nc, response); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

var answerBytes = []byte(plainAnswer)
