package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestListFile pins the form in which people write lists into files: an entry a line,
// comments, perhaps a byte order mark and the line ends of Windows.
func TestListFile(t *testing.T) {
	for _, tt := range []struct{ name, content, want string }{
		{"lines", "a:1\nb:2\n", "a:1,b:2"},
		{"lines that end with commas", "a:1,\nb:2,\n", "a:1,b:2"},
		{"comments", "# the first\na:1 # here\n\n  # and\n\tb:2;weight=2\t# there\n", "a:1,b:2;weight=2"},
		{"CRLF", "a:1\r\nb:2\r\n", "a:1,b:2"},
		{"byte order mark", "\ufeffa:1\n", "a:1"},
		{"# in a path", "unix:/run/a#b\n", "unix:/run/a#b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if c := mustLoad(t, "LB_BACKENDS_FILE="+write(t, tt.content)).Services[0]; c.Backends.String() != tt.want {
				t.Errorf("got %q, want %q", c.Backends, tt.want)
			}
		})
	}
	c := mustLoad(t, "LB_BACKENDS=a:1", "LB_DENY_FILE="+write(t, "10.0.0.0/8 # inside\nfd00::/8\n")).Services[0]
	if got := c.Deny.String(); got != "10.0.0.0/8,fd00::/8" {
		t.Errorf("networks: got %s", got)
	}
}

// TestListFileOfComments pins that a list which has nothing but comments does not come
// to mean everybody, or no backends.
func TestListFileOfComments(t *testing.T) {
	path := write(t, "# nothing yet\n\n")
	for _, name := range []string{"LB_BACKENDS", "LB_ALLOW"} {
		environ := []string{name + "_FILE=" + path}
		if name != "LB_BACKENDS" {
			environ = append(environ, "LB_BACKENDS=a:1")
		}
		if _, err := Load(environ); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want a fault", name, err)
		}
	}
}

// TestReadBackendsFromFIFO pins that a FIFO without a writer does not keep a reload, and
// with it the process, from ending.
func TestReadBackendsFromFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (&BackendsFile{Variable: "LB_BACKENDS", Path: path}).Read(t.Context()); err == nil {
		t.Error("took a list from nobody")
	}
	// With a writer that writes nothing, the context ends it.
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	began := time.Now()
	if _, _, err := (&BackendsFile{Variable: "LB_BACKENDS", Path: path}).Read(ctx); !errors.Is(err, context.Canceled) || time.Since(began) >= fileTimeout {
		t.Errorf("got %v after %s, want the context's end", err, time.Since(began))
	}
}

// TestLoadFileBounded pins that a file which never ends does not fill the memory.
func TestLoadFileBounded(t *testing.T) {
	_, err := Load([]string{"LB_BACKENDS_FILE=/dev/zero"})
	if err == nil || !strings.Contains(err.Error(), "longer than 1 MiB") {
		t.Errorf("got %v", err)
	}
}
