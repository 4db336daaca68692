//go:build linux

package e2e

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
)

// TestGame runs the recipe for a game server with two of Freeciv: a player who connects
// again reaches the same server, and when one server dies the players of the other one go
// on while its own get there.
func TestGame(t *testing.T) {
	freeciv := testkit.Need(t, "/usr/games/freeciv-server", "freeciv-server")
	t.Parallel()
	servers := []*gameServer{startFreeciv(t, freeciv), startFreeciv(t, freeciv)}
	lb := runRecipe(t, recipe(t, "game", "game1:", servers[0].host+":", "game2:", servers[1].host+":"))
	lb.awaitHealthy(margin, servers[0].addr(), servers[1].addr())

	var players []*player
	at := [2]int{} // how many are on each server
	for n := 0; at[0] == 0 || at[1] == 0; n++ {
		if n == 64 {
			t.Fatalf("players per server: %v", at)
		}
		p := &player{name: fmt.Sprintf("p%d", n), host: testkit.Host()}
		p.join(t, lb.l4)
		p.server = p.find(t, servers)
		at[p.server]++
		players = append(players, p)
	}
	for _, p := range players {
		_ = p.conn.Close()
		servers[p.server].awaitOutput(1, "Lost connection: "+p.name+" ")
		p.name += "again"
		p.join(t, lb.l4)
		if got := p.find(t, servers); got != p.server {
			t.Errorf("%s is on server %d, was on %d", p.name, got, p.server)
		}
	}
	servers[0].kill()
	for _, p := range players {
		if p.server == 0 {
			_, _ = io.Copy(io.Discard, p.conn) // to its end
			p.name += "moved"
			p.join(t, lb.l4)
		}
		p.chat(t, "hello from "+p.name)
		servers[1].awaitOutput(1, "hello from "+p.name)
	}
}

// gameServer is a Freeciv server at the usual port of a host of its own.
type gameServer struct {
	*process
	host string
}

func (s *gameServer) addr() string { return net.JoinHostPort(s.host, "5556") }

func startFreeciv(t *testing.T, freeciv string) *gameServer {
	t.Helper()
	s := &gameServer{host: testkit.Host()}
	dir := serverDir(t)
	script := filepath.Join(dir, "start.serv") // all players come from fourseven's address
	if err := os.WriteFile(script, []byte("set maxconnectionsperhost 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := unprivileged(exec.Command(freeciv, "-b", s.host, "-p", "5556", "-s", dir, "-r", script, "-A", "none"))
	cmd.Env = []string{"HOME=" + dir, "LC_ALL=C"}
	stdin, err := cmd.StdinPipe() // it ends with its standard input
	if err != nil {
		t.Fatal(err)
	}
	s.process = start(t, cmd)
	t.Cleanup(func() {
		s.endBy(syscall.SIGKILL)
		_ = stdin.Close()
	})
	awaitListener(t, s.process, s.addr())
	return s
}

// player is a client at an address of its own.
type player struct {
	name, host string
	server     int // the index of the server it is on

	conn net.Conn
}

// join connects, and sends Freeciv's first packet: length, type 4, name, capabilities and
// version. Later packets have a type of two bytes.
func (p *player) join(t *testing.T, addr string) {
	t.Helper()
	p.conn = dialFrom(t, addr, p.host)
	body := p.name + "\x00+Freeciv-3.0-network\x00\x00"
	packet := binary.BigEndian.AppendUint16(nil, uint16(3+len(body)+12))
	packet = append(append(packet, 4), body...)
	for _, part := range []uint32{3, 0, 6} {
		packet = binary.BigEndian.AppendUint32(packet, part)
	}
	if _, err := p.conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	if _, err := p.conn.Read(make([]byte, 1)); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// find returns the index of the server that the player is on.
func (p *player) find(t *testing.T, servers []*gameServer) (index int) {
	t.Helper()
	testkit.Eventually(t, p.name+" on a server", func() bool {
		for i, s := range servers {
			if s.outputCount(p.name+" has connected") > 0 {
				index = i
				return true
			}
		}
		return false
	})
	return index
}

// chat sends a message to all players of the server: type 26, a bit for the field, the text.
func (p *player) chat(t *testing.T, text string) {
	t.Helper()
	packet := binary.BigEndian.AppendUint16(nil, uint16(5+len(text)+1))
	packet = append(packet, 0, 26, 1)
	if _, err := p.conn.Write(append(append(packet, text...), 0)); err != nil {
		t.Fatal(err)
	}
}
