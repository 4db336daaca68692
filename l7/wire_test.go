package l7_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fourseven/l7"
)

// sample is one exchange as it goes over the wire. The files of testdata/http say
// what their notation means.
type sample struct {
	name     string
	request  string
	backend  string // what the backend must receive; "" is nothing
	answer   string // what the backend sends then
	client   string // what the client must get
	refused  int    // or: the status of our own answer, after which we close
	fails    int    // or: the status of our own answer, after which we go on
	broken   bool   // after client the transfer ends without being complete
	fileLine string
}

const (
	plainAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	// dateLine stands for the Date field that the proxy adds, whatever the time.
	dateLine         = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
	datedPlainAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + dateLine + "\r\nok"
)

var dateField = regexp.MustCompile(`Date: [^\r\n]*\r\n`)

// undated replaces Date fields with the present time, to a minute.
func undated(response string) string {
	return dateField.ReplaceAllStringFunc(response, func(field string) string {
		then, err := time.Parse(http.TimeFormat, strings.TrimSpace(strings.TrimPrefix(field, "Date: ")))
		if age := time.Since(then); err != nil || age < -time.Minute || age > time.Minute {
			return field
		}
		return dateLine
	})
}

// TestWire replays the samples over TCP and over a Unix socket.
func TestWire(t *testing.T) {
	for _, where := range []string{"tcp", "unix"} {
		backend := newRecorder(t)
		p := startProxy(t, func(s *l7.Server) { s.MaxBody, s.MaxHeader = 1000, 2000 }, backend.addr)
		dial := func() (net.Conn, error) { return net.Dial("tcp", p.addr) }
		client := "X-Forwarded-For: 127.0.0.1\r\n"
		if where == "unix" {
			path := filepath.Join(t.TempDir(), "s")
			ln, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = p.Serve(ln) }() // Shutdown ends it
			dial = func() (net.Conn, error) { return net.Dial("unix", path) }
			client = "" // there is no address to tell
		}
		for _, s := range readSamples(t) {
			t.Run(where+"/"+s.name, func(t *testing.T) { s.replay(t, backend, dial, client) })
		}
	}
}

func (s *sample) replay(t *testing.T, backend *recorder, dial func() (net.Conn, error), xff string) {
	nc, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	backend.expect(s.answer)
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(nc, s.request)
	}()
	defer func() { _ = nc.Close(); <-written }()

	var got string
	if s.fails == 0 {
		got, err = readAll(nc, len(s.client))
		got = undated(got)
	}
	switch {
	case s.fails != 0:
		s.checkAnswer(t, bufio.NewReader(nc), s.fails, false)
	case s.refused != 0:
		s.checkAnswer(t, bufio.NewReader(strings.NewReader(got)), s.refused, true)
	case got != s.client:
		t.Errorf("%s: client got\n%q\nwant\n%q", s.fileLine, got, s.client)
	case s.broken && err == nil && strings.HasSuffix(got, "0\r\n\r\n"):
		t.Errorf("%s: a broken transfer looks complete", s.fileLine)
	}
	want := strings.ReplaceAll(s.backend, "X-Forwarded-For: 127.0.0.1\r\n", xff)
	if got := backend.received(); got != want {
		t.Errorf("%s: backend got\n%q\nwant\n%q", s.fileLine, got, want)
	}
}

// readAll reads n bytes, ends our side, and reads whatever else comes.
func readAll(nc net.Conn, n int) (string, error) {
	var got bytes.Buffer
	if n > 0 {
		if _, err := io.CopyN(&got, nc, int64(n)); err != nil {
			return got.String(), err
		}
		if half, ok := nc.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		} else {
			return got.String(), nil // in memory there is no half to close
		}
	}
	_, err := io.Copy(&got, nc)
	return got.String(), err
}

// checkAnswer checks that our own answer is what it must be.
func (s *sample) checkAnswer(t *testing.T, br *bufio.Reader, status int, last bool) {
	t.Helper()
	method, _, _ := strings.Cut(s.request, " ")
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", s.fileLine, err)
	}
	body, _ := io.ReadAll(resp.Body)
	want := fmt.Sprintf(`{"error":%q}`, http.StatusText(status))
	if resp.StatusCode != status || resp.Close != last || string(body) != want ||
		resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: answer is %v %s, want %d", s.fileLine, resp, body, status)
	}
}

// recorder is a backend that keeps all bytes it receives, and answers each
// complete request with what the present sample says.
type recorder struct {
	addr string

	mu     sync.Mutex
	answer string
	bytes  bytes.Buffer
}

func newRecorder(t *testing.T) *recorder {
	r := &recorder{}
	r.addr = scriptedBackend(t, r.serve)
	return r
}

func (r *recorder) expect(answer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
	r.bytes.Reset()
}

func (r *recorder) received() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes.String()
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes.Write(p)
}

func (r *recorder) serve(nc net.Conn) {
	br := bufio.NewReader(io.TeeReader(nc, r))
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		r.mu.Lock()
		answer, last := strings.CutSuffix(r.answer, "{close}")
		r.mu.Unlock()
		if _, err := io.WriteString(nc, answer); err != nil || last {
			return
		}
	}
}

func readSamples(t *testing.T) []sample {
	t.Helper()
	files, err := filepath.Glob("../testdata/http/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	var samples []sample
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parseSamples(string(text), filepath.Base(file))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		samples = append(samples, parsed...)
	}
	return samples
}

func parseSamples(text, file string) (samples []sample, err error) {
	var s *sample
	var part *string
	for i, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || word == "#":
		case word == "==":
			samples = append(samples, sample{name: rest, answer: plainAnswer, fileLine: fmt.Sprintf("%s:%d", file, i+1)})
			s, part = &samples[len(samples)-1], nil
		case s == nil:
			return nil, fmt.Errorf("line %d: text before the first sample", i+1)
		case word == "request:":
			part = &s.request
		case word == "backend:":
			part = &s.backend
		case word == "answer:":
			s.answer = ""
			part = &s.answer
		case word == "client:":
			part = &s.client
		case word == "broken:":
			s.broken = true
		case word == "refused:", word == "fails:":
			status, err := strconv.Atoi(rest)
			if err != nil {
				return nil, err
			}
			if s.refused = status; word == "fails:" {
				s.refused, s.fails = 0, status
			}
		case part == nil:
			return nil, errors.New("line outside of a part: " + line)
		default:
			if line == "{ok}" && part == &s.client {
				*part += datedPlainAnswer
				continue
			}
			bytes, err := expand(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			*part += bytes
		}
	}
	return samples, nil
}

// expand turns a line of a sample into the bytes it stands for.
func expand(line string) (string, error) {
	if h, ok := strings.CutPrefix(line, "{forwarded "); ok {
		host := strings.TrimSuffix(h, "}")
		return "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: " + host + "\r\n", nil
	}
	if n, ok := strings.CutPrefix(line, "{x "); ok {
		count, err := strconv.Atoi(strings.TrimSuffix(n, "}"))
		return strings.Repeat("x", count), err
	}
	if line == "{ok}" {
		return plainAnswer, nil
	}
	if line == "{date}" {
		return dateLine, nil
	}
	if line == "{close}" {
		return line, nil
	}
	return strconv.Unquote(`"` + strings.ReplaceAll(line, `"`, `\"`) + `"`)
}
