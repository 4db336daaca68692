package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

// The proxies that this program plays itself take the backends in turn, keep Host
// and pass on the client's address: the same work as fourseven's.
func TestProxiesOfOurOwn(t *testing.T) {
	for _, p := range []*peer{stdlibPeer(), fasthttpPeer()} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			b := &bed{self: os.Args[0], dir: t.TempDir(), probes: newProbes()}
			b.backends = []string{listenNamed(t, "one"), listenNamed(t, "two")}
			in, err := p.launch(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := in.stop(); err != nil {
					t.Error(err)
				}
				_ = b.close()
			})
			var got []string
			for range 4 {
				got = append(got, ask(t, in.addrs[l7Listener][0]))
			}
			slices.Sort(got)
			want := []string{
				"one asked.example 127.0.0.1", "one asked.example 127.0.0.1",
				"two asked.example 127.0.0.1", "two asked.example 127.0.0.1",
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if version, err := p.find(t.Context(), b); err != nil || !strings.Contains(version, " v1.") && !strings.Contains(version, "go1.") {
				t.Errorf("version %q, %v", version, err)
			}
		})
	}
}

// listenNamed serves the small response of the bench's backends at its path, and
// elsewhere a response with the name of the backend and what it received.
func listenNamed(t *testing.T, name string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == smallAnswer.path {
			_, _ = io.WriteString(w, strings.Repeat(" ", smallAnswer.size))
			return
		}
		_, _ = io.WriteString(w, name+" "+r.Host+" "+r.Header.Get("X-Forwarded-For"))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func ask(t *testing.T, addr string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.Close = "asked.example", true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return string(body)
}
