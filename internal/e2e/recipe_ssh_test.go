//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
)

// TestSSH runs the recipe for SSH: a client that checks the host key reaches the same
// server each time, and the other one when that is gone.
func TestSSH(t *testing.T) {
	sshd := testkit.Need(t, "/usr/sbin/sshd", "openssh-server")
	testkit.Need(t, "sftp", "openssh-client")
	keygen := testkit.Need(t, "ssh-keygen", "openssh-client")
	t.Parallel()
	dir := serverDir(t)
	for _, name := range []string{"host", "client"} {
		output(t, unprivileged(exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name))))
	}
	servers := map[string]*process{} // by the directory that a client is in
	var addrs []string
	for _, name := range []string{"one", "two"} {
		addr, root := net.JoinHostPort(testkit.Host(), "2222"), filepath.Join(dir, name)
		servers[root] = startSSHD(t, sshd, addr, root)
		addrs = append(addrs, addr)
	}
	lb := runRecipe(t, recipe(t, "ssh", "ssh1:22", addrs[0], "ssh2:22", addrs[1]))
	lb.awaitHealthy(margin, addrs...)

	first := sshDirectory(t, lb.l4, dir)
	for range 2 {
		if got := sshDirectory(t, lb.l4, dir); got != first {
			t.Errorf("reached %s after %s", got, first)
		}
	}
	if servers[first] == nil {
		t.Fatalf("reached %q", first)
	}
	servers[first].kill()
	if got := sshDirectory(t, lb.l4, dir); got == first || servers[got] == nil {
		t.Errorf("reached %q after %s was gone", got, first)
	}
}

// startSSHD starts an SSH server whose SFTP clients begin in a directory, the name of
// which tells it from others. Its keys are beside the directory.
func startSSHD(t *testing.T, sshd, addr, root string) *process {
	t.Helper()
	dir, config := filepath.Dir(root), root+".conf"
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, `ListenAddress %s
HostKey %s/host
AuthorizedKeysFile %s/client.pub
PidFile none
StrictModes no
UsePAM yes
Subsystem sftp internal-sftp -d %s
`, addr, dir, dir, root), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, unprivileged(exec.Command(sshd, "-D", "-e", "-f", config)))
	t.Cleanup(func() { p.endBy(syscall.SIGTERM) })
	p.awaitOutput(1, "Server listening")
	return p
}

// sshDirectory asks the server that is reached for the directory that it puts clients in.
func sshDirectory(t *testing.T, addr, dir string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	known := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(known, []byte("["+host+"]:"+port+" "+readFile(t, filepath.Join(dir, "host.pub"))), 0o644); err != nil {
		t.Fatal(err)
	}
	account, _ := serverAccount(t)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sftp", "-F", "none", "-b", "-", "-P", port, "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile="+known,
		"-o", "IdentitiesOnly=yes", "-o", "IdentityFile="+filepath.Join(dir, "client"), account.Username+"@"+host)
	cmd.Stdin = strings.NewReader("pwd\n")
	_, directory, _ := strings.Cut(output(t, unprivileged(cmd)), "Remote working directory: ")
	return directory
}
