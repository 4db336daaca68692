package instance

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fourseven/internal/config"
	"fourseven/internal/logging"
)

// TestListIsTakenOnceItIsWhole pins that a list is taken only if two readings agree: what
// is there in between may be half of it.
func TestListIsTakenOnceItIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("10.0.0.1:80")
	cfg, err := config.Load([]string{"LB_BACKENDS_FILE=" + path})
	if err != nil {
		t.Fatal(err)
	}
	in := New(&cfg, "1.0.0", logging.NewSink(os.Stderr, "text"))
	l := &listFile{BackendsFile: config.BackendsFile{Variable: "LB_BACKENDS", Path: path}, in: in}
	for _, tt := range []struct {
		name, first, second string
		want                bool
	}{
		{"whole", "10.0.0.1:80\n10.0.0.2:80\n", "10.0.0.1:80\n10.0.0.2:80\n", true},
		{"half", "10.0.0.1:80\n", "10.0.0.1:80\n10.0.0.2:80\n", false},
		{"empty at first", "", "10.0.0.1:80\n", false},
		{"wrong both times", "10.0.0", "10.0.0", true},
	} {
		write(tt.first)
		_, text, err := l.Read(t.Context())
		write(tt.second)
		if got := l.settled(t.Context(), 0, text, err); got != tt.want {
			t.Errorf("%s: settled is %t", tt.name, got)
		}
	}
	write("10.0.0.3:80")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if out := l.reload(t.Context(), occasion{}); out.err == nil || errors.Is(out.err, errUnsettled) || out.changed {
		t.Errorf("without the file: %+v", out)
	}
}
