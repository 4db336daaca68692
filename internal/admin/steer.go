package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"net/url"
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
	t, ok := src.find(w, r, addr)
	switch {
	case !ok:
	case action == "close":
		src.close(w, r, t)
	case r.URL.RawQuery != "":
		fail(w, http.StatusBadRequest, action+" takes no parameters")
	default:
		t.of.Pool.SetMode(t.backend, mode)
		src.audit(r, action, t, "was set to "+action)
		show(w, http.StatusOK, src.describe(t))
	}
}

func (src *Source) close(w http.ResponseWriter, r *http.Request, t target) {
	rate, err := readRate(r.URL.RawQuery)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	n := t.of.Close(t.backend, rate)
	src.audit(r, "close", t, fmt.Sprintf("loses its %d connections", n), "connections", n, "rate", rate)
	show(w, http.StatusAccepted, map[string]int{"connections": n})
}

// readRate reads the parameters of a close. What cannot be parsed is an error: the
// default rate could be far above the one that was meant.
func readRate(query string) (int, error) {
	params, err := url.ParseQuery(query)
	if err != nil {
		return 0, fmt.Errorf("malformed parameters: %w", err)
	}
	for name := range params {
		if name != "rate" {
			return 0, fmt.Errorf("unknown parameter %q, expected rate", name)
		}
	}
	values := params["rate"]
	if len(values) == 0 {
		return closeRate, nil
	}
	rate, err := strconv.Atoi(values[0])
	if err != nil || rate < 1 || rate > maxCloseRate || len(values) > 1 {
		return 0, fmt.Errorf("rate=%q: expected connections a second from 1 to %d", strings.Join(values, ","), maxCloseRate)
	}
	return rate, nil
}

// weigh gives a backend another weight: PUT /api/backends/ADDR/weight.
func (src *Source) weigh(w http.ResponseWriter, r *http.Request) {
	addr, what := path.Split(r.PathValue("path"))
	if what != "weight" {
		fail(w, http.StatusNotFound, fmt.Sprintf("unknown property %q, expected weight", what))
		return
	}
	t, ok := src.find(w, r, addr)
	if !ok {
		return
	}
	if r.URL.RawQuery != "" {
		fail(w, http.StatusBadRequest, "weight takes no parameters, expected it in the body")
		return
	}
	was := t.backend.CurrentWeight()
	weight, err := readWeight(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = t.of.Pool.SetWeight(t.backend, weight)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	src.audit(r, "weight", t, fmt.Sprintf("has weight %d, it had %d", weight, was), "weight", weight)
	show(w, http.StatusOK, src.describe(t))
}

// audit logs what an operator did with a backend, and who asked for it, and adds an event.
func (src *Source) audit(r *http.Request, action string, t target, text string, more ...any) {
	level := levelWarn
	if action == "ready" || action == "weight" {
		level = levelPlain
	}
	src.record(r, action, Event{Service: t.of.Name, Backend: t.backend.Addr, Level: level, Text: text}, more...)
}

// record logs what an operator did, and adds an event.
func (src *Source) record(r *http.Request, action string, e Event, more ...any) {
	e.By, e.Client = "this machine", r.RemoteAddr
	if src.Token != "" {
		e.By = "token"
	}
	attrs := []any{"action", action, "backend", e.Backend, "by", e.By, "client", e.Client}
	if e.Service != "" {
		attrs = append([]any{"service", e.Service}, attrs...)
	}
	src.Logger.Info("operator", append(attrs, more...)...)
	src.Events.add(e)
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
