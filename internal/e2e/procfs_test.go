//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What the kernel says of a process.

// cpuTime returns the processor time that the process has used.
func (p *process) cpuTime() time.Duration {
	p.t.Helper()
	// The second field may hold spaces; the fields from the third on follow a ")".
	_, rest, _ := strings.Cut(p.proc("stat"), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, field := range fields[11:13] { // utime and stime, the 14th and 15th
		n, err := strconv.Atoi(field)
		if err != nil {
			p.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// resident returns the bytes of memory that the process has.
func (p *process) resident() int { return p.status("VmRSS") << 10 }

// threads returns how many threads the process has.
func (p *process) threads() int { return p.status("Threads") }

func (p *process) status(name string) int {
	p.t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+)`).FindStringSubmatch(p.proc("status"))
	if m == nil {
		p.t.Fatalf("no %s in /proc/%d/status", name, p.pid())
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// descriptors returns how many descriptors the process holds.
func (p *process) descriptors() int {
	p.t.Helper()
	return len(p.open())
}

// sockets returns how many of them are sockets. Pipes for bulk, for one, are kept
// for the next transfer.
func (p *process) sockets() int {
	p.t.Helper()
	n := 0
	for _, file := range p.open() {
		if strings.HasPrefix(file, "socket:") {
			n++
		}
	}
	return n
}

// open returns what the process's descriptors stand for.
func (p *process) open() []string {
	p.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", p.pid())
	entries, err := os.ReadDir(dir)
	if err != nil {
		p.t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		if file, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil { // else closed meanwhile
			files = append(files, file)
		}
	}
	return files
}

func (p *process) proc(file string) string {
	p.t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid(), file))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(content)
}
