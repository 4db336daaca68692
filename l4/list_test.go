package l4

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// Pins that a list keeps the connections that began first and those that move the most, each
// once.
func TestOpenConns(t *testing.T) {
	list := OpenConns{Limit: 3}
	now := time.Unix(1000, 0)
	for i := range 10 {
		c := OpenConn{Number: uint64(i), Began: now.Add(time.Duration(i*7%10) * time.Second), Rate: float64(i * 3 % 10)}
		list.Consider(&c)
		list.Consider(&c)
	}
	numbers := func(conns []OpenConn) (n []uint64) {
		for _, c := range conns {
			n = append(n, c.Number)
		}
		return n
	}
	if got := numbers(list.Longest); !slices.Equal(got, []uint64{0, 3, 6}) {
		t.Errorf("the longest are %v", got)
	}
	if got := numbers(list.Busiest); !slices.Equal(got, []uint64{3, 6, 9}) {
		t.Errorf("the busiest are %v", got)
	}
	idle := OpenConns{Limit: 2}
	for i := range 3 {
		idle.Consider(&OpenConn{Number: uint64(i), Sent: int64(i)})
	}
	if got := numbers(idle.Busiest); !slices.Equal(got, []uint64{2, 1}) {
		t.Errorf("of those that move nothing, %v have moved most", got)
	}
	none := OpenConns{}
	none.Consider(&OpenConn{})
	if len(none.Longest)+len(none.Busiest) > 0 {
		t.Error("without a limit there is a list")
	}
}

// Pins what the list has of open connections, over more of them than are looked at in one go,
// and that one can be reset without the others noticing.
func TestList(t *testing.T) {
	const many = breathe + 200
	one := backend(t, echo)
	p := start(t, &Server{}, one)
	var conns []*net.TCPConn
	for range many {
		conns = append(conns, p.dial(t))
	}
	exchange(t, conns[0], "long")
	exchange(t, conns[7], "a bit more")
	testkit.Eventually(t, "all are relayed", func() bool { return p.Relays.Open(one) == many })
	list := OpenConns{Limit: 5}
	p.List(&list)
	if len(list.Longest) != 5 || len(list.Busiest) != 5 {
		t.Fatalf("%d and %d, want 5 of each", len(list.Longest), len(list.Busiest))
	}
	first, busy := list.Longest[0], list.Busiest[0]
	if first.Client.String() != conns[0].LocalAddr().String() || first.Backend != one.Addr || first.State != "open" || first.Received != 4 || first.Sent != 4 {
		t.Errorf("the longest is %+v", first)
	}
	if busy.Client.String() != conns[7].LocalAddr().String() && busy.Client != first.Client || busy.Rate <= 0 {
		t.Errorf("the busiest is %+v", busy)
	}
	exchange(t, conns[many-1], "later")
	list = OpenConns{Limit: 2}
	p.List(&list)
	if got := list.Busiest[0]; got.Client.String() != conns[many-1].LocalAddr().String() || list.Busiest[1].Rate != 0 {
		t.Errorf("since the last list the busiest is %+v", list.Busiest)
	}
	closed, ok := p.CloseConn(first.Loop, first.Number)
	if !ok || closed.Client != first.Client {
		t.Errorf("closed %+v, %t", closed, ok)
	}
	if _, err := io.ReadAll(conns[0]); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ended with %v, want a reset", err)
	}
	p.wantEnding(t, OperatorClose)
	exchange(t, conns[1], "still here")
	for _, id := range []OpenConn{first, {Loop: 99, Number: 1}, {Loop: -1}, {Number: 1 << 60}} {
		if c, ok := p.CloseConn(id.Loop, id.Number); ok {
			t.Errorf("closed %+v, which is not open", c)
		}
	}
	_ = conns[1].CloseWrite()
	testkit.Eventually(t, "a connection has ended", func() bool { return p.Relays.Open(one) == many-2 })
}

// Pins the state of a connection whose client has ended its half.
func TestListHalfClosed(t *testing.T) {
	p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
		_, _ = io.Copy(io.Discard, conn)
		_, _ = io.WriteString(conn, "half")
		_, _ = conn.Read(make([]byte, 1)) // until the reset
		<-t.Context().Done()
	}))
	conn := p.dial(t)
	_ = conn.CloseWrite()
	testkit.Eventually(t, "it is half closed", func() bool {
		list := OpenConns{Limit: 1}
		p.List(&list)
		return len(list.Longest) == 1 && list.Longest[0].State == "half closed"
	})
	_ = conn.Close()
}

func BenchmarkList(b *testing.B) {
	for _, n := range []int{20, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			list := OpenConns{Limit: n}
			began := time.Now()
			for i := uint64(0); b.Loop(); i++ {
				list.Consider(&OpenConn{Number: i, Began: began.Add(time.Duration(i)), Rate: float64(i * 7919 % 1000)})
			}
		})
	}
}
