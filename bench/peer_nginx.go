package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

func nginxPeer() *peer {
	return &peer{
		name:     "nginx",
		packages: "nginx libnginx-mod-stream",
		listens:  []string{l4Listener, l7Listener},
		endsTLS:  []string{tlsListener, rsaListener},
		find:     findNginx,
		command:  nginxCommand,
	}
}

func findNginx(ctx context.Context, _ *bed) (string, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		return "", errNotOnPath("nginx")
	}
	if _, err := streamModule(ctx, path); err != nil {
		return "", err
	}
	return firstLine(ctx, path, "-v")
}

// nginxCommand runs it in the foreground: a master with a worker for each
// processor.
func nginxCommand(b *bed, dir string, l listeners) (*exec.Cmd, error) {
	module, err := streamModule(context.Background(), "nginx")
	if err != nil {
		return nil, err
	}
	conf := newPeerConfig(b, dir, l)
	conf.StreamModule = module
	file := filepath.Join(dir, "nginx.conf")
	if err := b.render("nginx.conf.tmpl", file, conf); err != nil {
		return nil, err
	}
	return exec.Command("nginx", "-p", dir, "-c", file, "-e", "stderr"), nil
}

var (
	dynamicStream = regexp.MustCompile(`--with-stream=dynamic(\s|$)`)
	staticStream  = regexp.MustCompile(`--with-stream(\s|$)`)
	modulesPath   = regexp.MustCompile(`--modules-path=(\S+)`)
)

// streamModule returns the file of the stream module, or "" where it is built in.
func streamModule(ctx context.Context, nginx string) (string, error) {
	out, err := exec.CommandContext(ctx, nginx, "-V").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("nginx -V: %w", err)
	}
	return streamModuleOf(string(out))
}

func streamModuleOf(buildFlags string) (string, error) {
	if staticStream.MatchString(buildFlags) {
		return "", nil
	}
	dir := modulesPath.FindStringSubmatch(buildFlags)
	if !dynamicStream.MatchString(buildFlags) || dir == nil {
		return "", errors.New("it was built without the stream module")
	}
	file := filepath.Join(dir[1], "ngx_stream_module.so")
	if _, err := os.Stat(file); err != nil {
		return "", errors.New("its stream module is not installed")
	}
	return file, nil
}
