package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func pythonPeer() *peer {
	return &peer{
		name:     "python",
		packages: "python3-fastapi python3-uvicorn python3-httpx",
		listens:  []string{l7Listener},
		find:     findPython,
		command: func(b *bed, _ string, l listeners) (*exec.Cmd, error) {
			script := filepath.Join(b.configs(), "python_lb.py")
			args := append([]string{"-B", script, l[l7Listener][0]}, b.backends...)
			return exec.Command(b.python, args...), nil
		},
	}
}

const pythonVersions = `import sys, fastapi, uvicorn, httpx
print("Python %d.%d.%d, fastapi %s, uvicorn %s, httpx %s" % (
	*sys.version_info[:3], fastapi.__version__, uvicorn.__version__, httpx.__version__))`

// findPython looks for an interpreter that has the packages, and notes it in b.
// There may be several: a user's own one hides the distribution's.
func findPython(ctx context.Context, b *bed) (string, error) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, "python3")
		version, err := firstLine(ctx, path, "-c", pythonVersions)
		if err == nil && strings.HasPrefix(version, "Python") {
			b.python = path
			return version, nil
		}
	}
	return "", errors.New("no python3 with fastapi, uvicorn and httpx")
}
