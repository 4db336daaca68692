package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestConfigurations(t *testing.T) {
	t.Parallel()
	conf := peerConfig{
		L4: "127.0.0.1:20001", L7: "127.0.0.1:20002",
		Backends: []string{"127.0.0.1:20003", "127.0.0.1:20004"},
		Dir:      "/tmp/x", Processors: 2, OpenFiles: 20000, MaxConns: 4096,
		User: "root", StreamModule: "/usr/lib/nginx/modules/ngx_stream_module.so",
	}
	secured := conf
	secured.TLS = true
	secured.ECDSA = tlsConfig{"127.0.0.1:20005", "/tmp/x/ecdsa.pem", "/tmp/x/ecdsa.crt", "/tmp/x/ecdsa.key"}
	secured.RSA = tlsConfig{"127.0.0.1:20006", "/tmp/x/rsa.pem", "/tmp/x/rsa.crt", "/tmp/x/rsa.key"}
	b := &bed{root: ".."}
	for _, name := range []string{"haproxy.cfg", "nginx.conf"} {
		for suffix, conf := range map[string]peerConfig{".golden": conf, ".tls.golden": secured} {
			t.Run(name+suffix, func(t *testing.T) {
				t.Parallel()
				file := filepath.Join(t.TempDir(), name)
				if err := b.render(name+".tmpl", file, conf); err != nil {
					t.Fatal(err)
				}
				got, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, name+suffix, got)
			})
		}
	}
}

// A setting in the user's environment must not reach the program that is measured.
func TestFoursevenEnvironment(t *testing.T) {
	t.Parallel()
	l := listeners{l4Listener: {"127.0.0.1:1"}, l7Listener: {"127.0.0.1:2"}}
	got := foursevenEnv([]string{"HOME=/h", "LB_LOG_LEVEL=debug", "LB_X=1"}, []string{"127.0.0.1:3", "127.0.0.1:4"}, l)
	want := []string{
		"HOME=/h", "LB_BACKENDS=127.0.0.1:3,127.0.0.1:4", "LB_L4_LISTEN=127.0.0.1:1", "LB_L7_LISTEN=127.0.0.1:2",
		"LB_ADMIN_LISTEN=off", "LB_HEALTH_CHECK=tcp", "LB_LOG_LEVEL=warn",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestStreamModule(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	module := filepath.Join(dir, "ngx_stream_module.so")
	if err := os.WriteFile(module, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, flags, want, err string
	}{
		{"dynamic", "--modules-path=" + dir + " --with-stream=dynamic --with-stream_ssl_module", module, ""},
		{"built in", "--with-stream --with-stream_ssl_module", "", ""},
		{"built in, last", "--with-stream\n", "", ""},
		{"not installed", "--modules-path=" + dir + "/none --with-stream=dynamic", "", "not installed"},
		{"without", "--modules-path=" + dir + " --with-stream_ssl_module", "", "without the stream module"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := streamModuleOf(tt.flags)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestMaxConnsFitTheLimit(t *testing.T) {
	t.Parallel()
	tests := []struct{ openFiles, want uint64 }{{1024, 384}, {20000, 4096}, {100, 134}}
	for _, tt := range tests {
		if got := maxConns(tt.openFiles); got != tt.want {
			t.Errorf("%d descriptors: %d connections, want %d", tt.openFiles, got, tt.want)
		}
	}
}

func TestReservedListenersDiffer(t *testing.T) {
	t.Parallel()
	b := &bed{}
	t.Cleanup(func() { _ = b.close() })
	got, err := b.reserveListeners([]string{l4Listener, l7Listener})
	if err != nil {
		t.Fatal(err)
	}
	l4, l7 := got[l4Listener][0], got[l7Listener][0]
	if l4 == l7 {
		t.Errorf("both are %s", l4)
	}
	for _, addr := range []string{l4, l7} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("a peer cannot listen on what is reserved for it: %v", err)
		}
		_ = ln.Close()
	}
}
