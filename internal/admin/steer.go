package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
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

// steer changes a backend's mode, or closes its connections.
func (src *Source) steer(w http.ResponseWriter, r *http.Request) {
	b := src.find(w, r)
	if b == nil {
		return
	}
	action := r.PathValue("action")
	if action == "close" {
		src.close(w, r, b)
		return
	}
	mode, err := health.ParseMode(action)
	if err != nil {
		fail(w, http.StatusNotFound, fmt.Sprintf("unknown action %q, expected drain, ready, down or close", action))
		return
	}
	src.Pool.SetMode(b, mode)
	show(w, http.StatusOK, describe(b))
}

// find returns the backend that the path names, or answers that there is none.
func (src *Source) find(w http.ResponseWriter, r *http.Request) *health.Backend {
	b := src.Pool.Find(r.PathValue("addr"))
	if b == nil {
		fail(w, http.StatusNotFound, fmt.Sprintf("no backend %q", r.PathValue("addr")))
	}
	return b
}

func (src *Source) close(w http.ResponseWriter, r *http.Request, b *health.Backend) {
	rate := closeRate
	if text := r.URL.Query().Get("rate"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxCloseRate {
			fail(w, http.StatusBadRequest, fmt.Sprintf("rate=%q: expected connections a second from 1 to %d", text, maxCloseRate))
			return
		}
		rate = n
	}
	show(w, http.StatusAccepted, map[string]int{"connections": src.Close(b, rate)})
}

// weigh gives a backend another weight.
func (src *Source) weigh(w http.ResponseWriter, r *http.Request) {
	b := src.find(w, r)
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
	show(w, http.StatusOK, describe(b))
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
