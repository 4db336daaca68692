//go:build linux

package health

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// The recipes of the README, against the servers of Debian's packages.

func TestRecipeRedis(t *testing.T) {
	t.Parallel()
	redis := program(t, "redis-server", "redis-server")
	b := server(t, func(host, port string) *exec.Cmd {
		return exec.Command(redis, "--bind", host, "--port", port, "--save", "", "--requirepass", "secret", "--dir", t.TempDir())
	})
	waitUntilUp(t, TCPProbe(Via{}), b)
	wantProbe(t, b, "PING\r\n", "+PONG", `expected "+PONG", got "-NOAU"`)
	wantProbe(t, b, "AUTH secret\r\nPING\r\n", "+OK\r\n+PONG", "")
	wantConnectOnly(t, b)
}

func TestRecipeSMTP(t *testing.T) {
	t.Parallel()
	smtp := program(t, "aiosmtpd", "python3-aiosmtpd")
	b := server(t, func(host, port string) *exec.Cmd {
		return exec.Command(smtp, "-n", "-l", net.JoinHostPort(host, port))
	})
	waitUntilUp(t, TCPProbe(Via{}), b)
	wantProbe(t, b, "", "220 ", "")
	wantConnectOnly(t, b)
}

// sslRequest asks a PostgreSQL server whether it speaks TLS.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
const sslRequest = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

func TestRecipePostgreSQL(t *testing.T) {
	t.Parallel()
	postgres := program(t, "postgres", "postgresql")
	dir, err := os.MkdirTemp("", "postgres") // whose parents all may enter, unlike t.TempDir's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	unprivileged := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 { // it refuses to run as root
		const nobody = 65534
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		unprivileged.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	initdb := exec.Command(filepath.Join(filepath.Dir(postgres), "initdb"), "-D", dir, "-A", "trust", "--no-sync", "--no-instructions")
	initdb.SysProcAttr = unprivileged
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	b := server(t, func(host, port string) *exec.Cmd {
		cmd := exec.Command(postgres, "-D", dir, "-p", port, "-k", "", "-c", "listen_addresses="+host, "-c", "fsync=off")
		cmd.SysProcAttr = unprivileged
		return cmd
	})
	waitUntilUp(t, exchangeProbe([]byte(sslRequest), []byte("N"), Via{}), b)
	wantProbe(t, b, sslRequest, "N", "")
	wantProbe(t, b, sslRequest, "S", `expected "S", got "N"`)
	wantConnectOnly(t, b)
}

// program returns the path of a program, or skips the test; in CI it fails.
func program(t *testing.T, name, debianPackage string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil && !strings.HasPrefix(path, "/usr/local/") {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/" + debianPackage + "/*/bin/" + name)
	if len(found) > 0 {
		return found[len(found)-1]
	}
	testkit.Missing(t, fmt.Sprintf("%s, from the Debian package %s", name, debianPackage))
	return ""
}

// server starts a server on a port of its own. It ends with the test.
func server(t *testing.T, command func(host, port string) *exec.Cmd) *Backend {
	t.Helper()
	addr := testkit.ReserveAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	cmd := command(host, port)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = testkit.Patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // so that it takes its children along
		late := time.AfterFunc(testkit.Patience, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, out.Bytes())
		}
	})
	return NewBackend(addr)
}

// waitUntilUp asks again and again, as the server takes a while to start.
func waitUntilUp(t *testing.T, probe Probe, b *Backend) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	for {
		err := probe(ctx, b)
		if err == nil {
			return
		}
		if !sleep(ctx, 20*time.Millisecond) {
			t.Fatalf("%s does not come up: %v", b.Addr, err)
		}
	}
}

func wantProbe(t *testing.T, b *Backend, send, expect, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	err := exchangeProbe([]byte(send), []byte(expect), Via{})(ctx, b)
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("send %q, expect %q: %v, want %q", send, expect, err, want)
	}
}

// wantConnectOnly wants the backend to be up without a setting for its protocol.
func wantConnectOnly(t *testing.T, b *Backend) {
	t.Helper()
	var log bytes.Buffer
	l := lenient(&log)
	for range 2 {
		if err := l.Probe(t.Context(), b); err != nil {
			t.Errorf("lenient: %v", err)
		}
	}
	if !strings.Contains(log.String(), "does not speak HTTP") {
		t.Errorf("logged %s", &log)
	}
}
