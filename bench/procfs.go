package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what processes hold at one moment.
type usage struct {
	resident    int64 // bytes, summed over the processes
	descriptors int
}

// groupMembers returns the processes of group pgid, from /proc: a leader with all
// that it has started, as long as none of them makes a group of its own.
func groupMembers(pgid int) ([]int, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, group, err := parseStat(stat)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if group == pgid {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// parseStat returns the process and its group of a line of /proc/PID/stat, see
// proc_pid_stat(5). The second field, the name, may hold anything.
func parseStat(stat []byte) (pid, pgid int, err error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return 0, 0, fmt.Errorf("no name in %q", stat)
	}
	rest := strings.Fields(string(stat[end+1:])) // state, parent, group, ...
	if len(rest) < 3 {
		return 0, 0, fmt.Errorf("no group in %q", stat)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(stat[:open]))); err != nil {
		return 0, 0, err
	}
	pgid, err = strconv.Atoi(rest[2])
	return pid, pgid, err
}

// cpuTime returns the processor time that the processes have used, user and
// system, all their threads, also those that have ended.
func cpuTime(pids []int) (time.Duration, error) {
	var total time.Duration
	for _, pid := range pids {
		var ts unix.Timespec
		if err := unix.ClockGettime(cpuClock(pid), &ts); err != nil {
			return 0, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
		}
		total += time.Duration(ts.Nano())
	}
	return total, nil
}

// cpuClock returns the id of a process's CPU clock, as clock_getcpuclockid(3)
// makes it: the complement of pid, and 2 (CPUCLOCK_SCHED) in the low three bits.
func cpuClock(pid int) int32 {
	return int32(^pid<<3 | 2)
}

// readUsage returns what the processes hold now.
func readUsage(pids []int) (usage, error) {
	var u usage
	for _, pid := range pids {
		rss, err := residentBytes(pid)
		if err != nil {
			return usage{}, err
		}
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return usage{}, err
		}
		u.resident += rss
		u.descriptors += len(fds)
	}
	return u, nil
}

// residentBytes reads smaps_rollup, because VmRSS of /proc/PID/status lags
// behind by up to 64 pages a processor.
func residentBytes(pid int) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "Rss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("read %s: no Rss in it", f.Name())
}
