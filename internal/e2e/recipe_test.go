//go:build linux

package e2e

import (
	"cmp"
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/config"
	"fourseven/internal/testkit"
)

// recipe returns the settings of an example under deploy/recipes, each as it is there but
// for what is replaced: pairs of what the example has, such as names of hosts, and what
// the test has. Listeners are on free ports, those that services share on one of their own,
// and probes come more often.
func recipe(t *testing.T, name string, replace ...string) []string {
	t.Helper()
	replacer := strings.NewReplacer(replace...)
	var as, settings []string
	shared := sharedListeners(t, readFile(t, "deploy/recipes/"+name+".env"))
	for line := range strings.Lines(readFile(t, "deploy/recipes/"+name+".env")) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		as = append(as, line)
		variable, value, _ := strings.Cut(line, "=")
		switch {
		case strings.HasSuffix(variable, "_LISTEN") && value != "off":
			value = cmp.Or(shared[value], "127.0.0.1:0")
		case variable == "LB_HEALTH_INTERVAL":
			continue
		}
		settings = append(settings, variable+"="+replacer.Replace(value))
	}
	cfg, err := config.Load(withoutFiles(t, as))
	if err != nil {
		t.Fatalf("%s as it is: %v", name, err)
	}
	if len(cfg.Unused())+len(cfg.Warnings()) > 0 {
		t.Errorf("%s: %v %v", name, cfg.Unused(), cfg.Warnings())
	}
	// What is down here refuses at once, and a probe on a busy machine may take its time.
	return quickServices(append(settings, "LB_HEALTH_TIMEOUT="+testkit.Patience.String())...)
}

// sharedListeners returns a free address for each that several listeners of a recipe have.
func sharedListeners(t *testing.T, recipe string) map[string]string {
	t.Helper()
	seen, shared := map[string]bool{}, map[string]string{}
	for _, m := range listenSetting.FindAllStringSubmatch(recipe, -1) {
		if addr := m[1]; addr != "off" && seen[addr] && shared[addr] == "" {
			shared[addr] = testkit.ReserveAddr(t)
		}
		seen[m[1]] = true
	}
	return shared
}

var listenSetting = regexp.MustCompile(`(?m)^LB_\w+_LISTEN=(.*)$`)

// withoutFiles gives settings of files, which are not there, some value.
func withoutFiles(t *testing.T, settings []string) (all []string) {
	t.Helper()
	pair := testkit.NewAuthority(t).Issue(t, "example.com")
	for _, kv := range settings {
		variable, _, _ := strings.Cut(kv, "=")
		if name, ok := strings.CutSuffix(variable, "_FILE"); ok {
			value := "x"
			switch {
			case strings.HasSuffix(name, "TLS_KEY"):
				value = pair.Key
			case strings.Contains(name, "TLS_"):
				value = pair.Cert
			}
			kv = name + "=" + value
		}
		all = append(all, kv)
	}
	return all
}

// runRecipe starts fourseven by a recipe of one service.
func runRecipe(t *testing.T, settings []string) *balancer {
	t.Helper()
	return listening(t, fourseven(settings))
}

// awaitListener waits until the server accepts connections.
func awaitListener(t *testing.T, p *process, addr string) {
	t.Helper()
	testkit.Eventually(t, addr+" to listen", func() bool {
		if p.ended() {
			t.Fatalf("%s ended:\n%s", p.cmd.Path, p.output())
		}
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// serverDir returns a directory, removed with the test, that a server may use which runs
// as unprivileged says.
func serverDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fourseven-e2e-server-") // unlike t.TempDir's, others may enter its parents
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(dir, nobody, nobody)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		testkit.Eventually(t, "the server's files to go", func() bool { return os.RemoveAll(dir) == nil })
	})
	return dir
}

const nobody = 65534

// unprivileged has a command run as another user than root: some servers refuse to be it.
func unprivileged(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// endBy asks the process to end by that signal, as servers must be that leave
// something behind when they are killed.
func (p *process) endBy(sig syscall.Signal) {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
	select {
	case <-p.donec:
	case <-time.After(testkit.Patience):
		p.t.Errorf("%s does not end", p.cmd.Path)
	}
}
