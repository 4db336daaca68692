package health

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
)

// policies are those of a pick.
var policies = []Policy{RoundRobin, LeastConn, Random2, SourceHash}

// fleet returns n backends with these weights in turn.
func fleet(n int, weights ...int) []*Backend {
	var bs []*Backend
	for i := range n {
		addr := fmt.Sprintf("10.1.%d.%d:80", i/256, i%256)
		bs = append(bs, Spec{Addr: addr, Weight: weights[i%len(weights)]}.Backend())
	}
	return bs
}

func poolOf(p Policy, bs ...*Backend) *Pool {
	pool := NewPool(bs...)
	pool.Balance = p
	pool.MarkAllUp()
	return pool
}

// limit gives a backend another max_conns.
func limit(b *Backend, maxConns int64) {
	s := b.Spec()
	s.MaxConns = maxConns
	b.setSpec(s)
}

// backup makes these backends backups.
func backup(bs ...*Backend) {
	for _, b := range bs {
		s := b.Spec()
		s.Backup = true
		b.setSpec(s)
	}
}

// client returns the i-th of many client addresses.
func client(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{172, byte(16 + i>>16), byte(i >> 8), byte(i)})
}

// chosen returns where client i's connection would go.
func chosen(t testing.TB, p *Pool, i int) *Backend {
	t.Helper()
	turn := p.TurnFor(client(i))
	b := turn.Next()
	if b == nil {
		t.Fatalf("nothing for client %d", i)
	}
	b.Count()
	b.Release()
	return b
}

// Pins that every policy gives the shares that the weights say, to idle backends.
func TestPoliciesKeepToTheWeights(t *testing.T) {
	const turns = 10000
	for _, p := range policies {
		for _, weights := range [][]int{{1, 1, 1}, {3, 1}, {5, 2, 1}, {100, 50, 25, 25}} {
			t.Run(fmt.Sprint(p, weights), func(t *testing.T) {
				bs := fleet(len(weights), weights...)
				pool, total := poolOf(p, bs...), 0
				for i := range turns {
					chosen(t, pool, i)
				}
				for _, w := range weights {
					total += w
				}
				for _, b := range bs {
					want := float64(turns*b.CurrentWeight()) / float64(total)
					if off := math.Abs(float64(b.Total())/want - 1); off > 0.1 {
						t.Errorf("weight %d got %d turns, want %.0f", b.CurrentWeight(), b.Total(), want)
					}
				}
			})
		}
	}
}

// Pins that round robin is exact: in every round each has its weight.
func TestRoundRobinIsExact(t *testing.T) {
	bs := fleet(4, 4, 3, 2, 1)
	pool := poolOf(RoundRobin, bs...)
	for i := range 10 * 7 {
		chosen(t, pool, i)
	}
	for _, b := range bs {
		if b.Total() != uint64(7*b.CurrentWeight()) {
			t.Errorf("weight %d got %d turns of 7 rounds", b.CurrentWeight(), b.Total())
		}
	}
}

// Pins that connections which stay settle by weight, whatever order they end in.
func TestLeastConnLevels(t *testing.T) {
	for _, p := range []Policy{LeastConn, Random2} {
		t.Run(p.String(), func(t *testing.T) {
			bs := fleet(3, 2, 1, 1)
			pool := poolOf(p, bs...)
			for range 3 {
				bs[1].acquire() // someone is ahead
			}
			for range 397 {
				turn := pool.Turn()
				turn.Next()
			}
			for i, want := range []float64{200, 100, 100} {
				got := float64(bs[i].Active())
				if p == LeastConn && math.Abs(got-want) > 1 || math.Abs(got-want) > 12 {
					t.Errorf("weight %d has %v connections, want %v", bs[i].CurrentWeight(), got, want)
				}
			}
		})
	}
}

// Pins that idle backends get turns as in round robin: with short connections,
// least_conn must not send them all to the first.
func TestLeastConnTiesGoByTheTurn(t *testing.T) {
	bs := backends(1, 1, 1)
	pool := poolOf(LeastConn, bs...)
	if got := next(t, pool) + next(t, pool) + next(t, pool) + next(t, pool); got != "abca" {
		t.Errorf("turns %s, want abca", got)
	}
	for _, b := range bs {
		b.acquire()
	}
	if got := next(t, pool) + next(t, pool) + next(t, pool); got != "bca" {
		t.Errorf("with one connection each %s, want bca", got)
	}
}

// Pins the hash itself: another value moves every client at an upgrade.
func TestSourceHashIsStable(t *testing.T) {
	pool := poolOf(SourceHash, fleet(5, 1, 2)...)
	var got []string
	for i := range 8 {
		got = append(got, chosen(t, pool, i).Addr[len("10.1.0."):])
	}
	want := []string{"1:80", "0:80", "1:80", "4:80", "1:80", "1:80", "1:80", "3:80"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	mapped := pool.TurnFor(netip.AddrFrom16(client(2).As16()))
	if b := mapped.Next(); b != chosen(t, pool, 2) {
		t.Errorf("IPv4 mapped into IPv6 goes to %s", b.Addr)
	}
}

// Pins that instances agree whatever the order of their lists.
func TestSourceHashAgrees(t *testing.T) {
	one := fleet(7, 1, 3)
	two := fleet(7, 1, 3)
	slices.Reverse(two)
	a, b := poolOf(SourceHash, one...), poolOf(SourceHash, two...)
	for range 5 {
		next(t, b) // another history
	}
	for i := range 1000 {
		if x, y := chosen(t, a, i), chosen(t, b, i); x.Addr != y.Addr {
			t.Fatalf("client %d: %s and %s", i, x.Addr, y.Addr)
		}
	}
}

// Pins the disruption: a backend that leaves moves its own clients and no others,
// spread over the rest; one that joins takes its share and moves nobody else.
func TestSourceHashDisruption(t *testing.T) {
	const clients = 10000
	bs := fleet(10, 1, 2)
	all, fewer := poolOf(SourceHash, bs...), poolOf(SourceHash, bs[1:]...)
	moved, to := 0, map[string]int{}
	for i := range clients {
		before, after := chosen(t, all, i), chosen(t, fewer, i)
		if before == after {
			continue
		}
		if before != bs[0] {
			t.Fatalf("client %d moved from %s, which stayed", i, before.Addr)
		}
		moved++
		to[after.Addr]++
	}
	want := float64(clients) / 15 // weight 1 of 5×1 + 5×2
	t.Logf("%d of %d moved, %.0f is its share", moved, clients, want)
	if math.Abs(float64(moved)/want-1) > 0.1 {
		t.Errorf("%d moved, want about %.0f", moved, want)
	}
	if len(to) != 9 {
		t.Errorf("they went to %d of 9 others: %v", len(to), to)
	}
}

// Pins that a client whose backend cannot be reached goes where it will belong
// once that one is out of the ring.
func TestSourceHashRetriesWhereItWillBelong(t *testing.T) {
	bs := fleet(6, 1)
	all := poolOf(SourceHash, bs...)
	for i := range 200 {
		turn := all.TurnFor(client(i))
		first, second := turn.Next(), turn.Next()
		rest := slices.DeleteFunc(slices.Clone(bs), func(b *Backend) bool { return b == first })
		if want := chosen(t, poolOf(SourceHash, rest...), i); second != want {
			t.Fatalf("client %d: %s after %s, want %s", i, second.Addr, first.Addr, want.Addr)
		}
		first.Release()
		second.Release()
	}
}

// Pins that clients without an address, as on Unix sockets, take turns.
func TestSourceHashWithoutAnAddress(t *testing.T) {
	pool := poolOf(SourceHash, backends(1, 1)...)
	if got := next(t, pool) + next(t, pool) + next(t, pool); got != "aba" {
		t.Errorf("turns %s, want aba", got)
	}
}

// Pins for every policy that a turn goes through all backends, each once.
func TestPoliciesTryEachOnce(t *testing.T) {
	for _, p := range policies {
		pool := poolOf(p, fleet(5, 1, 4)...)
		for i := range 50 {
			turn := pool.TurnFor(client(i))
			seen := map[*Backend]bool{}
			for b := turn.Next(); b != nil; b = turn.Next() {
				if seen[b] {
					t.Fatalf("%s: %s twice", p, b.Addr)
				}
				seen[b] = true
				b.Release()
			}
			if len(seen) != 5 {
				t.Fatalf("%s: %d of 5 tried", p, len(seen))
			}
		}
	}
}

// Pins for every policy that max_conns is kept to the last place.
func TestPoliciesOverflow(t *testing.T) {
	for _, p := range policies {
		bs := fleet(3, 1)
		for i, b := range bs {
			limit(b, int64(i+1))
		}
		pool := poolOf(p, bs...)
		for i := range 6 {
			turn := pool.TurnFor(client(i))
			if turn.Next() == nil {
				t.Fatalf("%s: nothing for connection %d of 6", p, i+1)
			}
		}
		turn := pool.TurnFor(client(7))
		if b := turn.Next(); b != nil {
			t.Errorf("%s: %s has more than it may", p, b.Addr)
		}
		for _, b := range bs {
			if most := b.Spec().MaxConns; b.Active() != most {
				t.Errorf("%s: %d connections of %d", p, b.Active(), most)
			}
		}
	}
}

func TestBackupOnlyWhenNothingElseIsUp(t *testing.T) {
	for _, p := range policies {
		bs := backends(1, 1, 1, 1)
		backup(bs[0], bs[3])
		pool := poolOf(p, bs...)
		for i := range 100 {
			if b := chosen(t, pool, i); b.Spec().Backup {
				t.Fatalf("%s: the backup %s has a turn", p, b.Addr)
			}
		}
		limit(bs[1], 1)
		limit(bs[2], 1)
		for range 2 {
			turn := pool.TurnFor(client(1))
			turn.Next()
		}
		full := pool.TurnFor(client(1))
		if b := full.Next(); b != nil {
			t.Errorf("%s: others are full but up, still %s has a turn", p, b.Addr)
		}
		bad := fmt.Errorf("gone")
		pool.record(1, 1, probed(pool, 1, bad), probed(pool, 2, bad))
		for i := range 100 {
			if b := chosen(t, pool, i); !b.Spec().Backup {
				t.Fatalf("%s: %s is down", p, b.Addr)
			}
		}
		pool.record(1, 1, probed(pool, 2, nil))
		bs[2].Release()
		if b := chosen(t, pool, 1); b != bs[2] {
			t.Errorf("%s: %s instead of the one that recovered", p, b.Addr)
		}
	}
}

// Pins that failed dials lead to no backup while another backend is up: one refused dial
// of a primary had sent a single client to its standby.
func TestNoBackupAfterFailedDials(t *testing.T) {
	for _, p := range policies {
		bs := backends(1, 1, 1)
		backup(bs[2])
		turn := poolOf(p, bs...).TurnFor(client(1))
		tried := map[*Backend]bool{turn.Next(): true, turn.Next(): true}
		if !tried[bs[0]] || !tried[bs[1]] {
			t.Errorf("%s: %v were tried, want a:1 and b:1", p, tried)
		}
		if b := turn.Next(); b != nil {
			t.Errorf("%s: then %s", p, b.Addr)
		}
	}
}

func TestPolicyText(t *testing.T) {
	for _, want := range append(policies, Single) {
		var got Policy
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Errorf("%s: got %s, %v", want, got, err)
		}
	}
	if err := new(Policy).UnmarshalText([]byte("leastconn")); err == nil {
		t.Error("leastconn is no policy")
	}
}

// FuzzPick pins that whatever the weights, limits and ticket, a pick is a member
// that may be picked, and that there is one as long as one may.
func FuzzPick(f *testing.F) {
	f.Add(uint8(0), uint64(0), uint64(1), []byte{1, 2, 3})
	f.Add(uint8(2), uint64(1<<63), uint64(9), []byte{255, 1})
	f.Add(uint8(3), ^uint64(0), uint64(0), []byte{16, 16, 16, 16})
	f.Fuzz(func(t *testing.T, policy uint8, ticket, key uint64, shape []byte) {
		shape = shape[:min(len(shape), 40)]
		var bs, tried []*Backend
		open := 0
		for i, x := range shape {
			b := Spec{Addr: fmt.Sprintf("h%d:1", i), Weight: 1 + int(x>>3)}.Backend()
			switch x & 7 {
			case 0:
				limit(b, 1)
				b.acquire()
			case 1:
				tried = append(tried, b)
			default:
				open++
			}
			bs = append(bs, b)
		}
		r := ringOf(bs)
		d := &draw{ticket: ticket, key: key, keyed: key&1 == 1, tried: tried}
		i := Policy(policy%4).pick(r, d)
		if i < 0 != (open == 0) {
			t.Fatalf("picked %d with %d open", i, open)
		}
		if i >= 0 && !d.allows(r.members[i].Backend) {
			t.Fatalf("picked %d, which may not", i)
		}
	})
}

func BenchmarkPolicies(b *testing.B) {
	for _, p := range policies {
		for _, n := range []int{3, 100, 1000} {
			b.Run(fmt.Sprint(p, "/", n), func(b *testing.B) {
				bs := fleet(n, 1, 2, 3)
				pool := poolOf(p, bs...)
				for _, be := range bs {
					be.acquire() // else least_conn need not look further than the turn
				}
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						turn := pool.TurnFor(client(i))
						turn.Next().Release()
					}
				})
			})
		}
	}
}

func TestPoliciesAllocateNothing(t *testing.T) {
	for _, p := range policies {
		pool := poolOf(p, fleet(10, 1, 2)...)
		n := testing.AllocsPerRun(1000, func() {
			turn := pool.TurnFor(client(1))
			turn.Next().Release()
		})
		if n != 0 {
			t.Errorf("%s: %v allocations a pick", p, n)
		}
	}
}
