package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"path"
	"strconv"
	"strings"

	"fourseven/health"
)

// How many connections a second a close resets: by default, and at most. Clients
// that all come back at once are a load of their own.
const (
	closeRate    = 100
	maxCloseRate = 100_000
)

// maxBody bounds the body of a request.
const maxBody = 1 << 10

// steer changes a backend's mode, or closes its connections: POST
// /api/backends/ADDR/ACTION. The address may have slashes in it.
func (src *Source) steer(w http.ResponseWriter, r *http.Request) {
	addr, action := path.Split(r.PathValue("path"))
	mode, err := health.ParseMode(action)
	if err != nil && action != "close" {
		fail(w, http.StatusNotFound, fmt.Sprintf("unknown action %q, expected drain, ready, down or close", action))
		return
	}
	b := src.find(w, addr)
	switch {
	case b == nil:
	case action == "close":
		src.close(w, r, b)
	default:
		src.Pool.SetMode(b, mode)
		src.audit(r, action, b)
		show(w, http.StatusOK, describe(b))
	}
}

// find returns the backend with that address, in whatever spelling, or answers that
// there is none.
func (src *Source) find(w http.ResponseWriter, addr string) *health.Backend {
	addr = strings.TrimSuffix(addr, "/")
	b := src.Pool.Find(addr)
	if b == nil && !strings.Contains(addr, ";") {
		if spelt, err := health.ParseSpec(addr); err == nil {
			b = src.Pool.Find(spelt.Addr)
		}
	}
	if b == nil {
		fail(w, http.StatusNotFound, fmt.Sprintf("no backend %q", addr))
	}
	return b
}

func (src *Source) close(w http.ResponseWriter, r *http.Request, b *health.Backend) {
	rate := closeRate
	for name, values := range r.URL.Query() {
		n, err := strconv.Atoi(values[0])
		switch {
		case name != "rate":
			fail(w, http.StatusBadRequest, fmt.Sprintf("unknown parameter %q, expected rate", name))
			return
		case err != nil || n < 1 || n > maxCloseRate || len(values) > 1:
			fail(w, http.StatusBadRequest, fmt.Sprintf("rate=%q: expected connections a second from 1 to %d", strings.Join(values, ","), maxCloseRate))
			return
		}
		rate = n
	}
	n := src.Close(b, rate)
	src.audit(r, "close", b, "connections", n, "rate", rate)
	show(w, http.StatusAccepted, map[string]int{"connections": n})
}

// weigh gives a backend another weight: PUT /api/backends/ADDR/weight.
func (src *Source) weigh(w http.ResponseWriter, r *http.Request) {
	addr, what := path.Split(r.PathValue("path"))
	if what != "weight" {
		fail(w, http.StatusNotFound, fmt.Sprintf("unknown property %q, expected weight", what))
		return
	}
	b := src.find(w, addr)
	if b == nil {
		return
	}
	weight, err := readWeight(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = src.Pool.SetWeight(b, weight)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	src.audit(r, "weight", b, "weight", weight)
	show(w, http.StatusOK, describe(b))
}

// audit logs what an operator changed, and who asked for it.
func (src *Source) audit(r *http.Request, action string, b *health.Backend, more ...any) {
	by := "this machine"
	if src.Token != "" {
		by = "token"
	}
	src.Logger.Info("operator", append([]any{"action", action, "backend", b.Addr, "by", by, "client", r.RemoteAddr}, more...)...)
}

// readWeight reads {"weight": 5}, or 5 alone.
func readWeight(body io.Reader) (int, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return 0, err
	}
	var object struct {
		Weight *int `json:"weight"`
	}
	var weight int
	switch {
	case json.Unmarshal(text, &weight) == nil:
		return weight, nil
	case json.Unmarshal(text, &object) == nil && object.Weight != nil:
		return *object.Weight, nil
	}
	return 0, fmt.Errorf(`expected {"weight": 5}, or 5 alone`)
}

// profile serves what net/http/pprof does.
func profile(w http.ResponseWriter, r *http.Request) {
	switch name := strings.TrimPrefix(r.URL.Path, "/debug/pprof/"); name {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r) // the named profiles too
	}
}
