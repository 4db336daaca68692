package l7_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestMixed pins that many clients at once get each their own answer, whatever the
// sizes and framings of bodies, while others leave in the middle of theirs.
func TestMixed(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if len(body)%2 == 0 {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		_, _ = w.Write(body)
	}
	p := startProxy(t, nil, httpBackend(t, echo), httpBackend(t, echo))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 20}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 47))
			for range 40 {
				size := rnd.IntN(1 << (1 + rnd.IntN(17)))
				body := bytes.Repeat([]byte{byte('a' + i)}, size)
				ctx, cancel := context.WithCancel(t.Context())
				if rnd.IntN(5) == 0 {
					time.AfterFunc(time.Duration(rnd.IntN(1000))*time.Microsecond, cancel)
				}
				got, err := send(ctx, client, p.addr, body, rnd.IntN(2) == 0)
				if err == nil && !bytes.Equal(got, body) {
					t.Errorf("sent %d bytes of %c, got %d of %.1q", size, 'a'+i, len(got), got)
				}
				if err != nil && ctx.Err() == nil {
					t.Errorf("%d bytes: %v", size, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

func send(ctx context.Context, client *http.Client, addr string, body []byte, asChunks bool) ([]byte, error) {
	var r io.Reader = bytes.NewReader(body)
	if asChunks {
		r = struct{ io.Reader }{r}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", r)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	return io.ReadAll(resp.Body)
}
