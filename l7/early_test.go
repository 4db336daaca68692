package l7

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

// roomy is a client's socket with room for so many bytes, and the stream that it gets.
type roomy struct {
	room, unacked int
	stream        strings.Builder
}

func (r *roomy) send(p []byte) int {
	n := min(r.room, len(p))
	r.room -= n
	r.stream.Write(p[:n])
	return n
}

func (r *roomy) unacknowledged() int { return r.unacked }

// Write waits for room, as a blocking write does.
func (r *roomy) Write(p []byte) (int, error) { return r.stream.Write(p) }

// TestEarlyPartialSend pins that a send which had room for a part only is counted for
// that part: with room for 3 bytes a client received "HTT200 OK".
func TestEarlyPartialSend(t *testing.T) {
	const response = "HTTP/1.1 200 OK\r\n\r\n"
	for room := range len(opening) + 2 {
		client := &roomy{room: room}
		e := &early{conn: client, count: new(atomic.Int64)}
		e.at(atOpening)
		if proven := e.probe(client, true); proven != (room > 0) {
			t.Errorf("room for %d: proven %v", room, proven)
		}
		if n, err := e.Write([]byte(response)); n != len(response) || err != nil {
			t.Errorf("room for %d: Write returns %d, %v", room, n, err)
		}
		if got := client.stream.String(); got != response {
			t.Errorf("room for %d: the client got %q", room, got)
		}
	}
}

// TestEarlyFailedWrite pins that what was sent early is not forgotten by a write that
// fails without having sent anything: another response of ours may follow.
func TestEarlyFailedWrite(t *testing.T) {
	client := &roomy{room: 4}
	e := &early{conn: failing{}, count: new(atomic.Int64)}
	e.at(atOpening)
	e.probe(client, true)
	if n, err := e.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); n != 0 || err == nil {
		t.Fatalf("Write returns %d, %v", n, err)
	}
	e.conn = client
	_, _ = e.Write([]byte("HTTP/1.1 504 Late\r\n\r\n"))
	if got := client.stream.String(); got != "HTTP/1.1 504 Late\r\n\r\n" {
		t.Errorf("the client got %q", got)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no") }

// TestEarlyKept pins that the byte that is kept back is sent once, whether the client
// has sent its FIN or not, and proves something only in the first case.
func TestEarlyKept(t *testing.T) {
	for _, ended := range []bool{false, true} {
		client := &roomy{room: 10}
		e := &early{conn: client, count: new(atomic.Int64)}
		e.keep('a')
		for range 2 {
			if proven := e.probe(client, ended); proven != ended {
				t.Errorf("FIN %v: proven %v", ended, proven)
			}
			e.keep('a') // nothing was written since
		}
		_, _ = e.Write([]byte("abc"))
		e.keep('d')
		_, _ = e.Write([]byte("d"))
		if got := client.stream.String(); got != "abcd" {
			t.Errorf("FIN %v: the client got %q", ended, got)
		}
	}
}

// TestEarlyUnacknowledged pins that bytes under way to a client prove as much as bytes
// sent early, for which there may be no room: a client that left would reset.
func TestEarlyUnacknowledged(t *testing.T) {
	client := &roomy{unacked: 1}
	e := &early{conn: client, count: new(atomic.Int64)}
	if e.probe(client, false) {
		t.Error("proven before the client's FIN")
	}
	if !e.probe(client, true) {
		t.Error("not proven by bytes under way")
	}
}
