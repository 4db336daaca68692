// Backend is a small HTTP server to put behind fourseven: / says which one it
// is, /health says ok, and /websocket is a WebSocket that says which one it is and then
// sends each message back. It takes its name from NAME or else from
// its host, and its address from LISTEN.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

func main() {
	host, _ := os.Hostname()
	name := cmp.Or(os.Getenv("NAME"), host, "1")
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "backend %s\n", name) })
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/websocket", func(w http.ResponseWriter, r *http.Request) { echo(w, r, name) })
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN"), ":8080"),
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Printf("backend %s listens on %s", name, server.Addr)
	if err := run(server); err != nil {
		log.Fatal(err)
	}
}

// run serves until a signal, and then until the last answer is given.
func run(server *http.Server) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}

// echo agrees on a WebSocket, greets with the backend's name and sends each message back.
func echo(w http.ResponseWriter, r *http.Request, name string) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()
	kind, text := websocket.MessageText, []byte("backend "+name)
	for err == nil {
		if err = conn.Write(r.Context(), kind, text); err == nil {
			kind, text, err = conn.Read(r.Context())
		}
	}
}
