package admin

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fourseven/l4"
)

// withConns gives a source's frontend n open connections, and returns those that are closed.
func withConns(src Source, n int, began time.Time) (closed *[]uint64, lists *int) {
	closed, lists = new([]uint64), new(int)
	f := &src.Services[0].Frontends[0]
	conn := func(i uint64) l4.OpenConn {
		return l4.OpenConn{
			Loop: 1, Number: i, Client: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i)), Backend: "a:1", State: "open",
			Began: began.Add(time.Duration(i) * time.Second), Received: int64(i), Sent: 10, Rate: float64(i),
		}
	}
	f.List = func(list *l4.OpenConns) {
		*lists++
		for i := range n {
			c := conn(uint64(i))
			list.Consider(&c)
		}
	}
	f.CloseConn = func(loop int, number uint64) (l4.OpenConn, bool) {
		if loop != 1 || number >= uint64(n) {
			return l4.OpenConn{}, false
		}
		*closed = append(*closed, number)
		return conn(number), true
	}
	return closed, lists
}

// Pins the data of open connections, that both lists are short, and that they are not made
// anew for each of many requests.
func TestShowConnections(t *testing.T) {
	src := source(t)
	_, lists := withConns(src, 100, time.Now().Add(-time.Hour))
	h := Handler(src)
	var got connections
	for range 10 {
		got = decode[connections](t, ask(h, "GET", "/api/connections", ""))
	}
	if *lists > 5 {
		t.Errorf("%d lists were made for 10 requests", *lists)
	}
	if len(got.Longest) != listed || len(got.Busiest) != listed {
		t.Fatalf("%d and %d connections, want %d of each", len(got.Longest), len(got.Busiest), listed)
	}
	if c := got.Longest[0]; c.ID != "l4.1.0" || c.Frontend != "l4" || c.Client != "192.0.2.1:0" || c.Backend != "a:1" || c.State != "open" || c.Age < 3600 || c.Sent != 10 {
		t.Errorf("the longest is %+v", c)
	}
	if c := got.Busiest[0]; c.ID != "l4.1.99" || c.Rate != 99 || c.Received != 99 {
		t.Errorf("the busiest is %+v", c)
	}
}

// Pins that the lists of several services are one, and that an ID is of one of them.
func TestConnectionsOfServices(t *testing.T) {
	src := twoServices(t)
	rwClosed, _ := withConns(src, 3, time.Now().Add(-time.Hour))
	roClosed, _ := withConns(Source{Services: src.Services[1:]}, 3, time.Now().Add(-2*time.Hour))
	h := Handler(src)
	got := decode[connections](t, ask(h, "GET", "/api/connections", ""))
	if len(got.Longest) != 6 || got.Longest[0].ID != "ro.l4.1.0" || got.Longest[0].Service != "ro" || got.Longest[5].ID != "rw.l4.1.2" {
		t.Errorf("%+v", got.Longest)
	}
	if w := ask(h, "POST", "/api/connections/ro.l4.1.2/close", ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if fmt.Sprint(*rwClosed, *roClosed) != "[] [2]" {
		t.Errorf("closed %v of rw and %v of ro", *rwClosed, *roClosed)
	}
}

// Pins that only an authorized request with a valid ID closes a connection, and that the log
// and the events have the operator and the connection's client.
func TestCloseConnection(t *testing.T) {
	src := source(t)
	var log bytes.Buffer
	src.Logger, src.Events, src.Token = slog.New(slog.NewTextHandler(&log, nil)), &Events{}, "hush"
	closed, _ := withConns(src, 3, time.Now())
	h := Handler(src)
	post := func(id, token string, want int) {
		t.Helper()
		w := ask(h, "POST", "/api/connections/"+id+"/close", "", func(r *http.Request) {
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
		})
		if w.Code != want {
			t.Errorf("%s: %d %s, want %d", id, w.Code, w.Body, want)
		}
	}
	post("l4.1.2", "", 401)
	post("l4.1.2", "wrong", 401)
	for _, id := range []string{"l4.1.3", "l4.0.2", "l7.1.2", "rw.l4.1.2", "l4.1", "l4.1.-2", "l4.x.2", "a.b.c.d.e"} {
		post(id, "hush", 404)
	}
	if len(*closed) > 0 {
		t.Errorf("closed %v", *closed)
	}
	post("l4.1.2", "hush", 200)
	if fmt.Sprint(*closed) != "[2]" {
		t.Errorf("closed %v, want 2", *closed)
	}
	if e := src.Events.all()[0]; e.Backend != "a:1" || e.Text != "connection of 192.0.2.1:2 was closed" || e.By != "token" || e.Client != "127.0.0.1:50000" {
		t.Errorf("%+v", e)
	}
	if want := "msg=operator action=close backend=a:1 by=token client=127.0.0.1:50000 connection=l4.1.2 of=192.0.2.1:2"; !strings.Contains(log.String(), want) {
		t.Errorf("no %s in %s", want, log.String())
	}
}
