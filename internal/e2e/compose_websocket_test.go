//go:build linux

package e2e

import (
	"context"
	"strings"
	"testing"

	"fourseven/internal/testkit"

	"github.com/coder/websocket"
)

// TestComposeWebSocket starts deploy/compose/websocket.yml, which has the recipe for
// WebSocket: connections are spread over two containers, and those to one go on when the
// other is stopped.
func TestComposeWebSocket(t *testing.T) {
	needDocker(t)
	recipe(t, "websocket") // holds its settings against what fourseven knows
	c := newCompose(t, "deploy/compose/websocket.yml", "backend")
	c.run("up", "-d", "--no-build", "--scale", "backend=2")
	waitUntilServed(t, c.url("fourseven", "8000"))
	url := "ws" + strings.TrimPrefix(c.url("fourseven", "8000"), "http") + "websocket"
	testkit.Eventually(t, "both backends to be found", func() bool {
		one, two := openChat(t, url), openChat(t, url) // at once, so that each backend gets one
		defer func() { _, _ = one.conn.CloseNow(), two.conn.CloseNow() }()
		return one.backend != two.backend
	})
	chats := map[string][]*chat{} // by backend
	for range 4 {
		one := openChat(t, url)
		chats[one.backend] = append(chats[one.backend], one)
	}
	if len(chats) != 2 {
		t.Fatalf("all connections are on one of two backends: %v", chats)
	}
	gone := strings.TrimPrefix(openChat(t, url).backend, "backend ") // a container's name is its short id
	docker(t, "stop", gone)
	for backend, all := range chats {
		for _, one := range all {
			if err := one.say(t, "are you there?"); (err == nil) != (backend != "backend "+gone) {
				t.Errorf("%s: %v, and %s was stopped", backend, err, gone)
			}
		}
	}
	for range 4 {
		one := openChat(t, url)
		if err := one.say(t, "hello"); err != nil || one.backend == "backend "+gone {
			t.Errorf("%s after %s was stopped: %v", one.backend, gone, err)
		}
	}
}

// chat is a WebSocket.
type chat struct {
	conn    *websocket.Conn
	backend string // how it introduced itself
}

func openChat(t *testing.T, url string) *chat {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	_, greeting, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &chat{conn: conn, backend: string(greeting)}
}

// say sends a message, and wants it back.
func (c *chat) say(t *testing.T, text string) error {
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	return exchangeMessage(ctx, c.conn, text)
}
