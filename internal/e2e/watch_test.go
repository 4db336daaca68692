//go:build linux

package e2e

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"fourseven/internal/testkit"
)

// volume is a directory whose files are replaced all at once, as Kubernetes does with a
// ConfigMap or Secret: the files are links into ..data, which is a link, too.
type volume struct {
	t   *testing.T
	dir string
	n   int
}

// put replaces the files by these, pairs of name and content.
func (v *volume) put(files ...string) {
	v.t.Helper()
	v.n++
	now := fmt.Sprintf("..%d", v.n)
	v.must(os.Mkdir(filepath.Join(v.dir, now), 0o700))
	for i := 0; i < len(files); i += 2 {
		v.must(os.WriteFile(filepath.Join(v.dir, now, files[i]), []byte(files[i+1]), 0o600))
		if v.n == 1 {
			v.must(os.Symlink("..data/"+files[i], filepath.Join(v.dir, files[i])))
		}
	}
	data := filepath.Join(v.dir, "..data")
	v.must(os.Symlink(now, data+"_tmp"))
	v.must(os.Rename(data+"_tmp", data))
	if v.n > 1 {
		v.must(os.RemoveAll(filepath.Join(v.dir, fmt.Sprintf("..%d", v.n-1))))
	}
}

func (v *volume) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// TestWatchList pins that a list of backends that is replaced in its file is taken
// without a signal, and without a failed connection; that an invalid list is refused,
// logged once, and replaced by the next valid one.
func TestWatchList(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 3)
	v := &volume{t: t, dir: t.TempDir()}
	v.put("list", b[0].addr+"\n"+b[1].addr+"\n")
	path := filepath.Join(v.dir, "list")
	lb := serve(t, "LB_BACKENDS_FILE="+path, "LB_WATCH=50ms", "LB_HEALTH_CHECK=off")
	load := newLoad()
	stop := sync.OnceFunc(load.stop)
	t.Cleanup(stop)
	onL4, onL7 := &tally{t: t, kind: "L4 connection"}, &tally{t: t, kind: "HTTP request"}
	load.each(50, func() { onL4.count(askOnce(lb.l4)) })
	load.each(50, func() { onL7.count(askOnce(lb.l7)) })

	v.put("list", b[1].addr+"\n"+b[2].addr+"\n# a comment\n")
	lb.awaitOutput(1, "msg=reloaded setting=LB_WATCH file="+path+" entries=2")
	lb.awaitHealthy(testkit.Patience, b[1].addr, b[2].addr)

	bad := func(times int, text string) {
		t.Helper()
		v.put("list", text)
		lb.awaitOutput(times, `msg="reload refused" setting=LB_WATCH`)
	}
	bad(1, b[0].addr+"\nnonsense\n")
	bad(2, "")
	metric := `lb_reloads_total{result="refused",setting="LB_BACKENDS"} `
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{metric + "2", `lb_reloads_total{result="ok",setting="LB_BACKENDS"} 1`})
	wantTexts(t, "/api/config", mustAsk(t, lb.admin, "/api/config"), []string{`"value":"` + b[1].addr + "," + b[2].addr + `"`})

	// What was in effect comes back, which is nothing new; then the same fault is.
	v.put("list", b[1].addr+","+b[2].addr)
	v.put("list", b[0].addr)
	lb.awaitOutput(2, "msg=reloaded setting=LB_WATCH")
	lb.awaitHealthy(testkit.Patience, b[0].addr)
	bad(3, "")
	v.must(os.Remove(path))
	lb.awaitOutput(4, `msg="reload refused" setting=LB_WATCH`)
	wantTexts(t, "the log", lb.output(), []string{"no such file or directory"})
	v.must(os.WriteFile(path, []byte(b[2].addr), 0o600))
	lb.awaitHealthy(testkit.Patience, b[2].addr)
	stop()
	if got := lb.outputCount(`msg="reload refused"`); got != 4 {
		t.Errorf("%d refusals are told, want 4", got)
	}
	if n := onL4.done.Load() + onL7.done.Load(); n == 0 {
		t.Error("no connection was tried")
	}
	lb.stop()
}

// TestWatchBackendCA pins that the authorities of backends' certificates are read again, and
// that the old ones stay where the new ones are none.
func TestWatchBackendCA(t *testing.T) {
	nginx := testkit.Need(t, "nginx", "nginx")
	t.Parallel()
	wrong, right := testkit.NewAuthority(t), testkit.NewAuthority(t)
	site := startTLSSite(t, nginx, "a.example.com", right)
	v := &volume{t: t, dir: t.TempDir()}
	v.put("ca.pem", wrong.PEM)
	lb := serve(t, "LB_BACKENDS="+site, "LB_BACKEND_TLS=on", "LB_BACKEND_TLS_NAME=a.example.com", "LB_HEALTH_CHECK=http", "LB_HEALTH_PATH=/",
		"LB_BACKEND_TLS_CA_FILE="+filepath.Join(v.dir, "ca.pem"), "LB_WATCH=50ms", "LB_HEALTH_TIMEOUT=1s")
	lb.awaitOutput(1, "certificate signed by unknown authority")
	v.put("ca.pem", right.PEM)
	lb.awaitOutput(1, "msg=reloaded setting=LB_WATCH files=")
	lb.awaitHealthy(testkit.Patience, site)
	v.put("ca.pem", right.PEM[:len(right.PEM)/2])
	lb.awaitOutput(1, `msg="reload refused" setting=LB_WATCH files=`)
	if got := mustAsk(t, lb.l7, "/"); got == "" {
		t.Error("no response after a refused file")
	}
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{
		`lb_reloads_total{result="refused",setting="LB_BACKEND_TLS_CA"} 1`, `lb_reloads_total{result="ok",setting="LB_BACKEND_TLS_CA"} 1`})
	lb.stop()
}

// handshake does a TLS handshake for a name and returns the serial number of the
// certificate.
func handshake(addr, name string, authority *testkit.Authority) (serial string, err error) {
	raw, err := reach(addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = raw.Close() }()
	conn := tls.Client(raw, &tls.Config{ServerName: name, RootCAs: authority.Pool()})
	if err := conn.Handshake(); err != nil {
		return "", err
	}
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String(), conn.Close()
}

// TestWatchCertificate pins that a certificate is replaced under load without a failed
// handshake, as Kubernetes and as certbot replace it, and that a key that does not fit
// leaves the old pair in place.
func TestWatchCertificate(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 1)
	authority := testkit.NewAuthority(t)
	first, second, third := authority.Issue(t, "a.example.com"), authority.Issue(t, "a.example.com"), authority.Issue(t, "a.example.com")
	v := &volume{t: t, dir: t.TempDir()}
	v.put("tls.crt", first.Cert, "tls.key", first.Key)
	lb := serve(t, backendsOf(b), "LB_L4_TLS=on", "LB_L7_TLS=on", "LB_WATCH=50ms",
		"LB_TLS_CERT_FILE="+filepath.Join(v.dir, "tls.crt"), "LB_TLS_KEY_FILE="+filepath.Join(v.dir, "tls.key"))
	load := newLoad()
	stop := sync.OnceFunc(load.stop)
	t.Cleanup(stop)
	shaken := &tally{t: t, kind: "handshake"}
	for _, addr := range []string{lb.l4, lb.l7} {
		load.each(25, func() {
			_, err := handshake(addr, "a.example.com", authority)
			shaken.count(err)
		})
	}
	await := func(what string, pair testkit.Pair) {
		t.Helper()
		want := pair.TLS(t).Leaf.SerialNumber.String()
		for _, addr := range []string{lb.l4, lb.l7} {
			testkit.Eventually(t, what, func() bool {
				got, _ := handshake(addr, "a.example.com", authority)
				return got == want
			})
		}
	}
	await("the first pair", first)
	v.put("tls.crt", second.Cert, "tls.key", second.Key)
	await("the second pair, replaced at once", second)
	v.put("tls.crt", third.Cert, "tls.key", second.Key)
	lb.awaitOutput(1, `msg="reload refused" setting=LB_WATCH files=`)
	await("the second pair, with a key that does not fit", second)
	// As certbot does: a link after the other. It may be seen in between, and is refused then.
	data := filepath.Join(v.dir, "..data")
	v.must(os.WriteFile(filepath.Join(data, "next"), []byte(third.Key), 0o600))
	v.must(os.Rename(filepath.Join(data, "next"), filepath.Join(data, "tls.key")))
	await("the third pair", third)
	if n := lb.outputCount(`msg="reload refused"`); n != 1 {
		t.Errorf("%d refusals are told, want 1", n)
	}
	stop()
	if shaken.done.Load() == 0 {
		t.Error("no handshake was tried")
	}
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{
		`lb_reloads_total{result="ok",setting="LB_TLS_CERT"} 2`, `lb_reloads_total{result="refused",setting="LB_TLS_CERT"} 1`})
	lb.stop()
}
