package logging

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// FuzzLine pins that lines are those of slog's handlers: byte for byte in text, and of the
// same values in JSON, whatever clients send.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "a", "/a?b=c", "a b", `"\\`, "\x00\x1f\x7f\b\f", "é", "\u00a0", "\u2028", "\ufffd", "\xff", "<&>", "\U0001f600"} {
		f.Add(s, int64(1234567))
	}
	f.Fuzz(func(t *testing.T, value string, n int64) {
		at := time.Unix(n%(1<<32), n%1e9)
		client := netip.MustParseAddrPort("192.0.2.7:40312")
		for _, inJSON := range []bool{false, true} {
			l := newLine(inJSON, at, "request")
			l.client(client)
			l.text("path", value)
			l.number("sent", n)
			l.duration("duration", time.Duration(n))
			got := string(l.end())
			l.release()

			var want bytes.Buffer
			took := time.Duration(n).Round(time.Microsecond)
			handler, duration := slog.Handler(slog.NewTextHandler(&want, nil)), slog.Duration("duration", took)
			if inJSON {
				handler, duration = slog.NewJSONHandler(&want, nil), slog.Float64("duration", took.Seconds())
			}
			r := slog.NewRecord(at, slog.LevelInfo, "request", 0)
			r.AddAttrs(slog.String("client", client.String()), slog.String("path", value), slog.Int64("sent", n), duration)
			_ = handler.Handle(t.Context(), r)
			if inJSON && !sameJSON(t, got, want.String()) || !inJSON && got != want.String() {
				t.Errorf("got  %swant %s", got, want.String())
			}
		}
	})
}

func sameJSON(t *testing.T, a, b string) bool {
	var of [2]map[string]any
	for i, line := range []string{a, b} {
		if err := json.Unmarshal([]byte(line), &of[i]); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
	}
	return reflect.DeepEqual(of[0], of[1])
}
