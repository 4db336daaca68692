//go:build linux

package e2e

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestSystemdRuns starts the unit under a systemd of its own, in a container that
// borrows this machine's /usr: what the hardening forbids shows only there.
func TestSystemdRuns(t *testing.T) {
	if os.Getenv("CI") != "true" {
		t.Skip("starts systemd in a container, with CAP_SYS_ADMIN: runs where CI=true")
	}
	testkit.Need(t, "systemd-analyze", "systemd")
	needDocker(t)
	m := bootMachine(t)
	l4, l7 := m.published("9000"), m.published("8000")
	waitUntilServed(t, l7)
	if got := get(t, l4, l7); got[0] != "backend 1\n" || got[1] != "backend 1\n" {
		t.Errorf("got %q, want backend 1 by both frontends", got)
	}
	m.checkConfinement()

	m.sh("echo 127.0.0.1:8082 > /etc/fourseven/backends")
	m.sh("systemctl reload fourseven")
	testkit.Eventually(t, "the new list to be used", func() bool { return get(t, l7)[0] == "backend 2\n" })

	m.sh("kill -KILL " + m.show("MainPID"))
	testkit.Eventually(t, "the service to start again", func() bool { return m.show("NRestarts") == "1" && m.show("SubState") == "running" })
	waitUntilServed(t, l7)

	m.sh("systemctl stop fourseven")
	if got := m.show("Result") + " " + m.show("ExecMainStatus"); got != "success 0" {
		t.Errorf("stopped: got %s, want success 0", got)
	}

	m.sh("echo LB_NONSENSE=1 >> /etc/fourseven/fourseven.env; systemctl start --no-block fourseven")
	testkit.Eventually(t, "bad settings to fail", func() bool { return m.show("ActiveState") == "failed" })
	if got := m.show("NRestarts") + " " + m.show("ExecMainStatus"); got != "0 2" {
		t.Errorf("bad settings: got restarts and exit code %s, want 0 2", got)
	}
}

// machine is a container servedBy first process is systemd.
type machine struct {
	t  *testing.T
	id string
}

// bootMachine starts it with fourseven as its one service, and two backends.
func bootMachine(t *testing.T) *machine {
	t.Helper()
	programs := t.TempDir()
	buildStatic(t, filepath.Join(programs, "fourseven"), ".")
	buildStatic(t, filepath.Join(programs, "backend"), "./testdata/backend")
	image := fmt.Sprintf("fourseven-test-%d-systemd", os.Getpid())
	importImage(t, image, writeRoot)
	// Systemd mounts, and tells the kernel what its services may call. It changes the
	// control groups of the container alone.
	id := docker(t, "run", "--detach", "--cgroupns", "private", "--cap-add", "SYS_ADMIN",
		"--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		"--tmpfs", "/run", "--tmpfs", "/tmp", "--env", "container=docker",
		"--volume", "/usr:/usr:ro", "--volume", programs+":/usr/local/bin:ro",
		"--publish", "127.0.0.1::9000", "--publish", "127.0.0.1::8000",
		image, "/bin/sh", "-c", "mount -o remount,rw /sys/fs/cgroup; exec /lib/systemd/systemd --unit=fourseven.service")
	m := &machine{t, id}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(m.sh("journalctl --no-pager -n 50"))
		}
		docker(t, "rm", "--force", id)
	})
	for _, n := range []string{"1", "2"} {
		docker(t, "exec", "--detach", "--env", "NAME="+n, "--env", "LISTEN=:808"+n, id, "/usr/local/bin/backend")
	}
	return m
}

// writeRoot writes what a machine needs beside its /usr, with the example's unit and
// settings as its comments say to install them.
func writeRoot(tw *tar.Writer) (errs error) {
	for _, dir := range []string{"dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var/lib", "var/log"} {
		errs = errors.Join(errs, tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}))
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		errs = errors.Join(errs, tw.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: link, Linkname: "usr/" + link}))
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "etc/machine-id": "",
		"etc/nsswitch.conf": "passwd: files systemd\ngroup: files systemd\nhosts: files\n",
	} {
		errs = errors.Join(errs, writeText(tw, name, text))
	}
	for name, dir := range map[string]string{
		"fourseven.service": "etc/systemd/system", "fourseven.env": "etc/fourseven",
	} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(unitFile), name))
		errs = errors.Join(errs, err, writeText(tw, path.Join(dir, name), string(text)))
	}
	return errors.Join(errs, writeText(tw, "etc/fourseven/backends", "127.0.0.1:8081\n"), tw.Close())
}

func writeText(tw *tar.Writer, name, text string) error {
	err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
	if err == nil {
		_, err = tw.Write([]byte(text))
	}
	return err
}

func (m *machine) sh(script string) string {
	m.t.Helper()
	return docker(m.t, "exec", m.id, "/bin/sh", "-c", script)
}

// show returns a property of the service.
func (m *machine) show(property string) string {
	m.t.Helper()
	return m.sh("systemctl show fourseven --value -p " + property)
}

// published returns where a port of the machine is reached.
func (m *machine) published(port string) string {
	m.t.Helper()
	return "http://" + docker(m.t, "port", m.id, port) + "/"
}

// checkConfinement wants a user of no account, one capability, no way to more, and a
// filter of system calls.
func (m *machine) checkConfinement() {
	m.t.Helper()
	status := map[string]string{}
	for line := range strings.Lines(m.sh("cat /proc/" + m.show("MainPID") + "/status")) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.Join(strings.Fields(value), " ")
	}
	uid, _, _ := strings.Cut(status["Uid"], " ")
	if n, err := strconv.Atoi(uid); err != nil || n < 61184 || n > 65519 { // systemd's range for DynamicUser
		m.t.Errorf("uid %s, want one of systemd's dynamic users", uid)
	}
	const bindService = "0000000000000400"
	for name, want := range map[string]string{
		"CapEff": bindService, "CapBnd": bindService, "CapAmb": bindService, "NoNewPrivs": "1", "Seccomp": "2",
	} {
		if got := status[name]; got != want {
			m.t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
