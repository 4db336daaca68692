package l7_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/health"
)

var taggedCount = flag.Int("tagged", 3000, "how many responses TestTagged checks")

// taggedClients is how many clients TestTagged has at a time.
const taggedClients = 32

// TestTagged pins that each response belongs to its request, whatever happens to others:
// pipelining, bodies of all framings and sizes, upgrades, early responses, resets from
// the backend, clients that leave, and a list of backends that changes every 50 ms.
func TestTagged(t *testing.T) {
	addrs := []string{httpBackend(t, answerTagged), httpBackend(t, answerTagged), httpBackend(t, answerTagged)}
	p := startProxy(t, nil, addrs...)
	run := &tagged{t: t, addr: p.addr, want: int64(*taggedCount)}
	donec := make(chan struct{})
	var flapping sync.WaitGroup
	flapping.Go(func() { flap(p.Pool, addrs, donec) })
	var clients sync.WaitGroup
	for i := range taggedClients {
		clients.Go(func() {
			c := &taggedClient{tagged: run, Rand: rand.New(rand.NewPCG(uint64(i), 14))}
			for run.checked.Load() < run.want && !t.Failed() {
				c.connection()
			}
		})
	}
	clients.Wait()
	close(donec)
	flapping.Wait()
	t.Logf("%d responses checked, %d of requests that the backend broke", run.checked.Load(), run.broken.Load())
}

// flap takes one backend after the other out of the list, and back.
func flap(pool *health.Pool, addrs []string, donec chan struct{}) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for out := 0; ; out++ {
		var specs []health.Spec
		for i, addr := range addrs {
			if i != out%(len(addrs)+1) {
				specs = append(specs, health.Spec{Addr: addr})
			}
		}
		pool.Replace(specs)
		select {
		case <-tick.C:
		case <-donec:
			return
		}
	}
}

// taggedBody is the body that belongs to a tag.
func taggedBody(tag string, size int) []byte {
	return bytes.Repeat([]byte(tag+"."), size/(len(tag)+1)+1)[:size]
}

// answerTagged answers GET and POST /TAG/HOW/SIZE.
func answerTagged(w http.ResponseWriter, r *http.Request) {
	part := strings.Split(r.URL.Path, "/")
	tag, how := part[1], part[2]
	size, _ := strconv.Atoi(part[3])
	w.Header().Set("X-Tag", tag)
	switch how {
	case "reset", "cut", "upgrade":
		nc, brw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = nc.Close() }()
		switch how {
		case "cut":
			_, _ = fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nX-Tag: %s\r\nContent-Length: %d\r\n\r\n%s", tag, size+1, taggedBody(tag, size))
		case "upgrade":
			_, _ = fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nX-Tag: %s\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n", tag)
			_, _ = io.CopyN(nc, brw, int64(size))
			return
		}
		_ = nc.(*net.TCPConn).SetLinger(0)
	case "chunked":
		half := size / 2
		_, _ = w.Write(taggedBody(tag, size)[:half])
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(taggedBody(tag, size)[half:])
	case "echo":
		got, err := io.ReadAll(r.Body)
		if err == nil && !bytes.Equal(got, taggedBody(tag, len(got))) {
			w.WriteHeader(http.StatusTeapot) // another request's body
		}
		fallthrough
	default: // "early" does not read the body
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(taggedBody(tag, size))
	}
}

// tagged is one run of the test.
type tagged struct {
	t               *testing.T
	addr            string
	want            int64
	checked, broken atomic.Int64
	tags            atomic.Uint64
}

type taggedClient struct {
	*tagged
	*rand.Rand
	nc *net.TCPConn
	br *bufio.Reader
}

type taggedRequest struct {
	tag, how string
	size     int
	breaks   bool // the connection may break before its response has come
}

// connection sends requests over a connection until it ends.
func (c *taggedClient) connection() {
	nc, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer func() { _ = nc.Close() }()
	c.nc, c.br = nc.(*net.TCPConn), bufio.NewReader(nc)
	for range 20 {
		_ = nc.SetDeadline(time.Now().Add(patience))
		if !c.batch() {
			return
		}
	}
}

// batch sends some requests at once and checks the responses. It reports whether the
// connection can be used again.
func (c *taggedClient) batch() bool {
	var raw []byte
	var requests []taggedRequest
	last := false
	for n := 1 + c.IntN(6); n > 0 && !last; n-- {
		var r taggedRequest
		r, raw, last = c.request(raw)
		requests = append(requests, r)
	}
	leaves := c.IntN(25) == 0
	if leaves {
		raw = raw[:c.IntN(len(raw)+1)]
	}
	go func(nc *net.TCPConn) { _, _ = nc.Write(raw) }(c.nc) // a backend may respond before it reads
	if leaves {
		_ = c.nc.SetReadDeadline(time.Now().Add(time.Duration(c.IntN(20)) * time.Millisecond)) // the response may never come
		_, _ = io.CopyN(io.Discard, c.br, int64(c.IntN(1000)*c.IntN(2)))
		_ = c.nc.SetLinger(-c.IntN(2))
		return false
	}
	breaks := slices.ContainsFunc(requests, func(r taggedRequest) bool { return r.how == "reset" || r.how == "cut" || r.how == "early" })
	for _, r := range requests {
		r.breaks = breaks // a connection that ends with requests unread loses what the client has not read
		if !c.check(r) {
			return false
		}
	}
	return !last
}

// request appends a request. It reports whether that must be the last one of its batch.
func (c *taggedClient) request(raw []byte) (r taggedRequest, _ []byte, last bool) {
	r = taggedRequest{
		tag:  fmt.Sprintf("t%d", c.tags.Add(1)),
		how:  []string{"plain", "plain", "plain", "chunked", "echo", "early", "upgrade", "reset", "cut"}[c.IntN(9)],
		size: c.IntN(1 << (1 + c.IntN(18))),
	}
	head := func(method, more string) {
		raw = fmt.Appendf(raw, "%s /%s/%s/%d HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, r.tag, r.how, r.size, r.tag, more)
	}
	switch body := taggedBody(r.tag, c.IntN(1<<(1+c.IntN(17)))); r.how {
	case "echo", "early":
		if c.IntN(2) == 0 {
			head("POST", "Transfer-Encoding: chunked\r\n")
			return r, fmt.Appendf(raw, "%x\r\n%s\r\n0\r\n\r\n", max(len(body), 1), body[:max(len(body), 1)]), r.how == "early"
		}
		head("POST", fmt.Sprintf("Content-Length: %d\r\n", len(body)))
		return r, append(raw, body...), r.how == "early"
	case "upgrade":
		head("GET", "Connection: Upgrade\r\nUpgrade: echo\r\n")
		return r, append(raw, taggedBody(r.tag, r.size)...), true
	}
	head("GET", "")
	return r, raw, false
}

// check reads a response. It reports whether another one may follow.
func (c *taggedClient) check(r taggedRequest) bool {
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		if !r.breaks {
			c.t.Errorf("%+v: %v", r, err)
		}
		c.broken.Add(1)
		return false
	}
	var body []byte
	if r.how == "upgrade" && resp.StatusCode == http.StatusSwitchingProtocols {
		body = make([]byte, r.size)
		_, err = io.ReadFull(c.br, body)
	} else {
		body, err = io.ReadAll(resp.Body)
	}
	c.checked.Add(1)
	switch {
	case resp.StatusCode == http.StatusBadGateway && (r.how == "reset" || r.how == "cut" || r.how == "early"):
		c.broken.Add(1)
		return !resp.Close
	case resp.StatusCode != http.StatusOK && r.how != "upgrade", resp.Header.Get("X-Tag") != r.tag:
		c.t.Errorf("%+v: the response is %s to %q, %.80q", r, resp.Status, resp.Header.Get("X-Tag"), body)
	case !bytes.Equal(body, taggedBody(r.tag, r.size)) && (err == nil || !r.breaks):
		c.t.Errorf("%+v: another body of %d bytes, %v", r, len(body), err)
	case err == nil && r.how == "cut":
		c.t.Errorf("%+v: what was cut off looks complete", r)
	}
	return err == nil && !resp.Close
}
