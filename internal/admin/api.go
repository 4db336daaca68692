package admin

import (
	"encoding/json"
	"net/http"
)

// show answers with JSON.
func show(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have disconnected
}

// fail responds with an error.
func fail(w http.ResponseWriter, status int, text string) {
	show(w, status, map[string]string{"error": text})
}

func (src *Source) showConfig(w http.ResponseWriter, _ *http.Request) {
	show(w, http.StatusOK, src.Settings())
}

func (src *Source) showEvents(w http.ResponseWriter, _ *http.Request) {
	show(w, http.StatusOK, src.Events.all())
}
