//go:build linux

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
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

// securePostgres is a PostgreSQL server that takes connections with TLS alone.
type securePostgres struct {
	*process
	addr, dir string
}

func startSecurePostgres(t *testing.T, pair testkit.Pair, host string) *securePostgres {
	t.Helper()
	bin := postgresBin(t)
	s := &securePostgres{addr: net.JoinHostPort(host, "5432"), dir: filepath.Join(serverDir(t), "data")}
	output(t, unprivileged(exec.Command(filepath.Join(bin, "initdb"), "-D", s.dir, "-A", "trust", "-U", "postgres", "--no-sync", "--no-instructions")))
	if err := os.WriteFile(filepath.Join(s.dir, "pg_hba.conf"), []byte("hostssl all all 127.0.0.0/8 trust\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.show(t, pair)
	s.process = start(t, unprivileged(exec.Command(filepath.Join(bin, "postgres"), "-D", s.dir, "-k", "", "-c", "listen_addresses="+host,
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=20", "-c", "ssl=on")))
	t.Cleanup(func() { s.endBy(syscall.SIGQUIT) }) // killed, it leaves shared memory behind
	testkit.Eventually(t, "PostgreSQL to answer", func() bool {
		if s.ended() {
			t.Fatalf("PostgreSQL ended:\n%s", s.output())
		}
		_, err := psqlAs(t, s.addr, "sslmode=require", "SELECT 1")
		return err == nil
	})
	return s
}

// show has the server show this certificate: from its start, or from the next reload on.
func (s *securePostgres) show(t *testing.T, pair testkit.Pair) {
	t.Helper()
	cert, key := pair.Files(t, s.dir, "server")
	for _, path := range []string{cert, key, filepath.Join(s.dir, "pg_hba.conf")} {
		if os.Geteuid() != 0 {
			break
		}
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
}

// psqlAs runs a statement over a connection with these parameters of libpq.
func psqlAs(t *testing.T, addr, parameters, statement string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), statementTimeout)
	defer cancel()
	out, err := psqlParameters(ctx, addr, parameters, "-c", statement).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func psqlParameters(ctx context.Context, addr, parameters string, args ...string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(ctx, "psql", append([]string{"-XAtq", "-d", "host=" + host + " port=" + port + " user=postgres dbname=postgres " + parameters}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// cancelled runs a long query with psql, sends it SIGINT as Ctrl-C does, and wants it to
// end for that.
func cancelled(t *testing.T, addr, parameters string, running func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), statementTimeout)
	defer cancel()
	p := start(t, psqlParameters(ctx, addr, parameters, "-c", "SELECT pg_sleep(600)"))
	testkit.Eventually(t, "the query to run", running)
	p.signal(syscall.SIGINT)
	p.exitCode()
	if !strings.Contains(p.stderr.all(), "canceling statement due to user request") {
		t.Errorf("psql says %q", p.stderr.all())
	}
}

// TestPostgreSQLBackendTLS runs clients without TLS, as libpq tries it by default, in front
// of a server that demands it, through changes of its certificate.
func TestPostgreSQLBackendTLS(t *testing.T) {
	t.Parallel()
	ca, host := testkit.NewAuthority(t), testkit.Host()
	pg := startSecurePostgres(t, ca.Issue(t, host), host)
	lb := serve(t, "LB_BACKENDS="+pg.addr, "LB_L7_LISTEN=off", "LB_BACKEND_TLS=postgres", "LB_BACKEND_TLS_CA_FILE="+authorityFile(t, ca))
	lb.awaitHealthy(margin, pg.addr)
	const secured = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
	for _, mode := range []string{"disable", "allow", "prefer"} {
		if got, err := psqlAs(t, lb.l4, "sslmode="+mode, secured); got != "t" {
			t.Errorf("sslmode=%s: %s, %v", mode, got, err)
		}
	}
	if got, err := psqlAs(t, lb.l4, "sslmode=require", secured); err == nil || !strings.Contains(got, "server does not support SSL") {
		t.Errorf("sslmode=require: %s, %v", got, err)
	}
	cancelled(t, lb.l4, "sslmode=disable", pg.sleeps(t))

	reload := func(pair testkit.Pair) {
		pg.show(t, pair)
		if got, err := psqlAs(t, pg.addr, "sslmode=require", "SELECT pg_reload_conf()"); got != "t" {
			t.Fatalf("reload: %s, %v", got, err)
		}
	}
	reload(ca.Issue(t, host))
	for range 5 {
		if got, err := psqlAs(t, lb.l4, "sslmode=disable", secured); got != "t" {
			t.Errorf("with a renewed certificate: %s, %v", got, err)
		}
	}
	reload(ca.Issue(t, "another.example.com"))
	lb.awaitOutput(1, `level=ERROR msg="backend down" backend=`+pg.addr)
	wantTexts(t, "the log", lb.output(), []string{"(tls_handshake): x509: ", "LB_BACKEND_TLS_NAME is for the name"})
}

// sleeps reports whether the server runs the query that is to be cancelled.
func (s *securePostgres) sleeps(t *testing.T) func() bool {
	return func() bool {
		got, _ := psqlAs(t, s.addr, "sslmode=require", "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'")
		return got == "1"
	}
}

// TestPostgreSQLTLS runs the recipe for PostgreSQL with TLS on both sides, with libpq,
// OpenSSL and direct TLS.
func TestPostgreSQLTLS(t *testing.T) {
	testkit.Need(t, "openssl", "openssl")
	t.Parallel()
	ca, host, dir := testkit.NewAuthority(t), testkit.Host(), t.TempDir()
	pg := startSecurePostgres(t, ca.Issue(t, host), host)
	caFile := authorityFile(t, ca)
	cert, key := ca.Issue(t, "127.0.0.1", "localhost").Files(t, dir, "lb")
	lb := runRecipe(t, recipe(t, "postgresql-tls", "pg1:5432", pg.addr, "pg2:5432", testkit.ReserveAddr(t),
		"/run/secrets/ca.pem", caFile, "/run/secrets/lb.crt", cert, "/run/secrets/lb.key", key))
	lb.awaitHealthy(margin, pg.addr)

	const secured = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
	full := "sslmode=verify-full sslrootcert=" + caFile
	for _, parameters := range []string{full, "sslmode=require", "sslmode=prefer", "sslmode=allow"} {
		if got, err := psqlAs(t, lb.l4, parameters, secured); got != "t" {
			t.Errorf("%s: %s, %v", parameters, got, err)
		}
	}
	if got, err := psqlAs(t, lb.l4, "sslmode=disable", secured); err == nil || !strings.Contains(got, "FATAL:  the connection is not encrypted") {
		t.Errorf("sslmode=disable: %s, %v", got, err)
	}
	if got, err := psqlAs(t, lb.l4, "sslmode=verify-full sslrootcert="+authorityFile(t, testkit.NewAuthority(t)), secured); err == nil || !strings.Contains(got, "certificate verify failed") {
		t.Errorf("another authority: %s, %v", got, err)
	}
	cancelled(t, lb.l4, full, pg.sleeps(t)) // before version 17 libpq cancels in plain text

	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", "s_client", "-starttls", "postgres", "-connect", lb.l4, "-CAfile", caFile, "-verify_return_error", "-brief")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Verification: OK") {
		t.Errorf("openssl: %v\n%s", err, out)
	}
	direct(t, lb.l4, &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", NextProtos: []string{"postgresql"}})
}

// direct begins a session by TLS at once, as libpq does from version 17 on with
// sslnegotiation=direct, and wants the server to take the user.
func direct(t *testing.T, addr string, config *tls.Config) {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: testkit.Patience}, "tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
	body := "user\x00postgres\x00database\x00postgres\x00\x00"
	startup := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), 3<<16)
	_, _ = conn.Write(append(startup, body...))
	answer := make([]byte, 9) // AuthenticationOk
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "R\x00\x00\x00\x08\x00\x00\x00\x00" {
		t.Errorf("direct TLS: answer %q, %v", answer, err)
	}
}
