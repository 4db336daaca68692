//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestSMTP runs the recipe for SMTP, in front of a Postfix that demands the PROXY header
// and of a server that takes no mail. Postfix relays for the client's address, not for
// fourseven's.
func TestSMTP(t *testing.T) {
	t.Parallel()
	closed, open := testkit.Host(), testkit.Host()
	greet(t, closed+":2525", "421 4.3.2 try again later\r\n")
	known, stranger := testkit.Host(), testkit.Host()
	p := startPostfix(t, open+":2525", known)
	lb := runRecipe(t, recipe(t, "smtp", "mail1:", closed+":", "mail2:", open+":"))
	lb.awaitHealthy(margin, open+":2525")
	lb.awaitOutput(1, `421 4.3.2 try again later`)

	if err := sendMail(t, lb.l4, known); err != nil {
		t.Error(err)
	}
	p.awaitOutput(1, "client=unknown["+known+"]")
	if err := sendMail(t, lb.l4, stranger); err == nil || !strings.Contains(err.Error(), "Access denied") {
		t.Errorf("%v for a client that may not relay", err)
	}
	p.awaitOutput(1, "RCPT from unknown["+stranger+"]")
}

// greet listens at an address, and says the same to everyone.
func greet(t *testing.T, addr, greeting string) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, greeting)
			_ = conn.(*net.TCPConn).CloseWrite() // a close could reset the connection, and take the greeting along
			go func() {
				_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}()
		}
	}()
}

// dialFrom connects from a loopback address.
func dialFrom(t *testing.T, addr, from string) net.Conn {
	t.Helper()
	dialer := net.Dialer{Timeout: testkit.Patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
	return conn
}

// sendMail sends a mail from a client's address.
func sendMail(t *testing.T, addr, from string) error {
	t.Helper()
	client, err := smtp.NewClient(dialFrom(t, addr, from), "mail.example.com")
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := client.Mail("me@example.com"); err != nil {
		return err
	}
	if err := client.Rcpt("you@example.org"); err != nil {
		return err
	}
	body, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(body, "Subject: greeting\r\n\r\nhello\r\n"); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	return client.Quit()
}

// startPostfix starts a Postfix that relays for one client's address, to nowhere.
func startPostfix(t *testing.T, addr, client string) *process {
	t.Helper()
	master := testkit.Need(t, "/usr/lib/postfix/sbin/master", "postfix")
	if os.Geteuid() != 0 {
		testkit.Missing(t, "root, as Postfix does")
	}
	dir := serverDir(t)
	makePostfixQueue(t, dir)
	for name, text := range map[string]string{"main.cf": `compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
inet_interfaces = loopback-only
myhostname = mail.example.com
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = ` + client + `/32
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = discard
maillog_file = /dev/stdout
smtpd_upstream_proxy_protocol = haproxy
`, "master.cf": addr + ` inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, exec.Command(master, "-c", dir, "-s"))
	t.Cleanup(func() { p.endBy(syscall.SIGTERM) })
	awaitListener(t, p, addr)
	return p
}

// makePostfixQueue makes the directories that Postfix's start script would.
func makePostfixQueue(t *testing.T, dir string) {
	t.Helper()
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	if err := os.Chown(dir, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"queue", "queue/pid"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range strings.Fields("data queue/active queue/bounce queue/corrupt queue/defer queue/deferred queue/flush queue/hold queue/incoming queue/maildrop queue/private queue/public queue/saved queue/trace") {
		name = filepath.Join(dir, name)
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(name, uid, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIMAP runs the recipe for IMAP, in front of a Dovecot that demands the PROXY header
// and of a server that turns clients away. Dovecot sees the client's address.
func TestIMAP(t *testing.T) {
	t.Parallel()
	closed, open := testkit.Host(), testkit.Host()
	greet(t, closed+":1143", "* BYE not now\r\n")
	p := startDovecot(t, open)
	lb := runRecipe(t, recipe(t, "imap", "mail1:", closed+":", "mail2:", open+":"))
	lb.awaitHealthy(margin, open+":1143")
	lb.awaitOutput(1, `* BYE`)

	from := testkit.Host()
	client := textproto.NewConn(dialFrom(t, lb.l4, from))
	t.Cleanup(func() { _ = client.Close() })
	if greeting, err := client.ReadLine(); err != nil || !strings.HasPrefix(greeting, "* OK") {
		t.Fatalf("greeted with %q, %v", greeting, err)
	}
	for i, command := range []string{"LOGIN me secret", "SELECT INBOX", "LOGOUT"} {
		tag := fmt.Sprintf("a%d ", i)
		if err := client.PrintfLine("%s%s", tag, command); err != nil {
			t.Fatal(err)
		}
		line, err := client.ReadLine()
		for err == nil && !strings.HasPrefix(line, tag) {
			line, err = client.ReadLine()
		}
		if err != nil || !strings.HasPrefix(line, tag+"OK") {
			t.Fatalf("%s: %q, %v", command, line, err)
		}
	}
	p.awaitOutput(1, "Login: user=<me>, method=PLAIN, rip="+from)
}

// startDovecot starts a Dovecot with one user at port 1143 of a host.
func startDovecot(t *testing.T, host string) *process {
	t.Helper()
	dovecot := testkit.Need(t, "/usr/sbin/dovecot", "dovecot-imapd")
	dir := serverDir(t)
	account, group := serverAccount(t)
	file := filepath.Join(dir, "dovecot.conf")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("DIR", dir, "HOST", host, "USER", account.Username, "GROUP", group.Name,
		"UID", account.Uid, "GID", account.Gid).Replace(`base_dir = DIR/run
state_dir = DIR/state
log_path = /dev/stderr
protocols = imap
listen = HOST
ssl = no
disable_plaintext_auth = no
default_internal_user = USER
default_internal_group = GROUP
default_login_user = USER
haproxy_trusted_networks = 127.0.0.0/8
mail_location = maildir:DIR/mail
first_valid_uid = 1
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=UID gid=GID home=DIR
}
service imap-login {
  chroot =
  inet_listener imap {
    port = 1143
    haproxy = yes
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
`)), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, unprivileged(exec.Command(dovecot, "-F", "-c", file)))
	t.Cleanup(func() { p.endBy(syscall.SIGTERM) })
	awaitListener(t, p, host+":1143")
	return p
}

// serverAccount returns the user that unprivileged has servers run as.
func serverAccount(t *testing.T) (*user.User, *user.Group) {
	t.Helper()
	uid := os.Geteuid()
	if uid == 0 {
		uid = nobody
	}
	account, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(account.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return account, group
}
