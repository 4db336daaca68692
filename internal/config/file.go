package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// Limits of a file that holds a setting, and of the time to read it. Its writer may be
// slow, or gone: a FIFO without a writer, a hung mount.
const (
	maxFile     = 1 << 20
	fileTimeout = 5 * time.Second
)

// readFile returns the content of a file. It returns when the context is done, and after
// fileTimeout, whatever the file is.
func readFile(ctx context.Context, path string) (string, error) {
	return new(fileReader).read(ctx, path)
}

// fileReader reads a file again and again. While one read hangs, it begins no other.
type fileReader struct{ Reading[fileText] }

// read is readFile.
func (r *fileReader) read(ctx context.Context, path string) (string, error) {
	text, err := r.Wait(ctx, func() (text fileText) {
		text.content, text.err = readBounded(path)
		return text
	})
	return text.content, cmp.Or(err, text.err)
}

func readBounded(path string) (string, error) {
	// Without O_NONBLOCK, opening a FIFO waits for its writer, for ever if there is none.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", pathCause(err)
	}
	defer func() { _ = file.Close() }()
	_ = file.SetReadDeadline(time.Now().Add(fileTimeout)) // takes effect on pipes, not on regular files
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", fmt.Errorf("not read within %s", fileTimeout)
	case err != nil:
		return "", pathCause(err)
	case len(content) > maxFile:
		return "", errors.New("it is longer than 1 MiB")
	}
	return strings.TrimPrefix(string(content), "\ufeff"), nil
}

// pathCause returns the cause of an error without the path, which the message already has.
func pathCause(err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// joinLines returns the lines of a list file as a comma-separated list. A # at the start of
// a line or after a space begins a comment.
func joinLines(content string) string {
	var entries []string
	for line := range strings.Lines(content) {
		entries = append(entries, strings.TrimSpace(uncomment(line)))
	}
	if list := strings.Join(entries, ","); list != "" {
		return list
	}
	return "," // not empty, which for LB_ALLOW would mean everybody
}

func uncomment(line string) string {
	for i, c := range line {
		if c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}
