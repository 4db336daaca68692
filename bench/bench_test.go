//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// tiny is a bench without any program but this one.
var tiny = []string{"-only", "direct,stdlib,http-1,http-64,idle-l7", "-d", "100ms", "-rounds", "2"}

// children returns the processes that pid has started and that still run.
func children(t *testing.T, pid int) []int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		child, _, err := parseStat(stat)
		rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if err == nil && rest[0] != "Z" && rest[1] == strconv.Itoa(pid) {
			pids = append(pids, child)
		}
	}
	return pids
}

// benchCommand returns the test binary as the bench, with a TMPDIR of its own.
func benchCommand(t *testing.T, args ...string) (cmd *exec.Cmd, tmp string) {
	t.Helper()
	tmp = t.TempDir()
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asBench+"=1", "TMPDIR="+tmp)
	return cmd, tmp
}

// The whole of it, small: what it prints and writes, and that nothing is left.
func TestBenchFromEndToEnd(t *testing.T) {
	tmp, dir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	jsonFile, htmlFile := filepath.Join(dir, "run.json"), filepath.Join(dir, "run.html")
	var stdout, stderr bytes.Buffer
	before := children(t, os.Getpid())
	if code := run(t.Context(), append(tiny, "-json", jsonFile, "-html", htmlFile), &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	for _, want := range []string{"http-64  HTTP responses of 35 B, 64 connections", "\n  stdlib ", "descriptors each"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in the report:\n%s", want, &stdout)
		}
	}
	if !strings.Contains(stderr.String(), "round 2 of 2, 0:0") {
		t.Errorf("no progress: %s", &stderr)
	}
	checkTinyReport(t, jsonFile)
	if got := children(t, os.Getpid()); !slices.Equal(got, before) {
		t.Errorf("processes are left: %v, before %v", got, before)
	}
	if got := fileNames(t, tmp); got != "" {
		t.Errorf("files are left: %s", got)
	}
	if got := fileNames(t, dir); got != "run.html run.json" {
		t.Errorf("files written: %s", got)
	}
}

// With -quick all contenders hold their idle connections at the same time.
func TestQuickMeasuresIdleConnectionsTogether(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var stdout, stderr bytes.Buffer
	file := filepath.Join(t.TempDir(), "run.json")
	args := []string{"-quick", "-only", "stdlib,fasthttp,http-1,idle-l7", "-json", file}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	rep := readReport(t, file)
	idle := rep.Scenarios[1]
	if idle.Name != "idle-l7" || len(idle.Figures) != 2 {
		t.Fatalf("got %+v", rep)
	}
	for _, f := range idle.Figures {
		if f.Idle == nil || f.Idle.Connections > quickIdleConns || f.Idle.DescriptorsPerConnection < 0.9 {
			t.Errorf("%s: got %+v, void %q", f.Contender, f.Idle, f.Void)
		}
	}
}

func readReport(t *testing.T, file string) report {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rep report
	if err := json.Unmarshal(text, &rep); err != nil {
		t.Fatal(err)
	}
	return rep
}

func checkTinyReport(t *testing.T, file string) {
	t.Helper()
	rep := readReport(t, file)
	if len(rep.Scenarios) != 3 || len(rep.Scenarios[0].Figures) != 2 || len(rep.Scenarios[2].Figures) != 1 {
		t.Fatalf("got %+v", rep)
	}
	stdlib := rep.Scenarios[1].Figures[1]
	if stdlib.Rate.Median <= 0 || stdlib.CPU.Median <= 0 || stdlib.P99.Median < stdlib.P50.Median || len(stdlib.Rounds) != 2 {
		t.Errorf("got %+v", stdlib)
	}
	if idle := rep.Scenarios[2].Figures[0].Idle; idle.DescriptorsPerConnection < 0.9 || idle.BytesPerConnection < 1000 {
		t.Errorf("got %+v", idle)
	}
}

// startTiny starts a bench that would take an hour, and returns when it measures.
func startTiny(t *testing.T) (cmd *exec.Cmd, tmp string, started []int, stderr *bufio.Scanner) {
	t.Helper()
	cmd, tmp = benchCommand(t, "-only", "direct,stdlib,http-64", "-d", "10m", "-rounds", "3")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, unless the test has failed
	stderr = bufio.NewScanner(pipe)
	for stderr.Scan() {
		if strings.Contains(stderr.Text(), "round 1") {
			break
		}
	}
	started = children(t, cmd.Process.Pid)
	if len(started) != 2 {
		t.Fatalf("started %v, want the backends and the stdlib proxy", started)
	}
	return cmd, tmp, started, stderr
}

func TestSignalEndsAll(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cmd, tmp, started, stderr := startTiny(t)
			signalled := time.Now()
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			var rest strings.Builder
			for stderr.Scan() {
				rest.WriteString(stderr.Text())
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(rest.String(), "bench: interrupted") {
				t.Errorf("exit code %d, %q", code, rest.String())
			}
			if d := time.Since(signalled); d > testkit.Patience { // the run would take an hour
				t.Errorf("it took %v to end", d)
			}
			for _, pid := range started {
				awaitEnd(t, pid)
			}
			if got := fileNames(t, tmp); got != "" {
				t.Errorf("files are left: %s", got)
			}
		})
	}
}

// Even killed, with no chance to clean up, it leaves no process behind.
func TestKillEndsAll(t *testing.T) {
	t.Parallel()
	cmd, _, started, stderr := startTiny(t)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for stderr.Scan() {
	}
	_ = cmd.Wait()
	for _, pid := range started {
		awaitEnd(t, pid)
	}
}

func TestMissingPeer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var stdout, stderr bytes.Buffer
	args := []string{"-only", "direct,haproxy,rt-1", "-d", "10ms", "-rounds", "1"}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	if want := "missing: no haproxy on PATH (apt-get install haproxy)"; !strings.Contains(stdout.String(), want) {
		t.Errorf("no %q in %s", want, &stdout)
	}
	stderr.Reset()
	if code := run(t.Context(), append(args, "-require", "haproxy"), io.Discard, &stderr); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	if want := "bench: -require haproxy: no haproxy on PATH (apt-get install haproxy)\n"; stderr.String() != want {
		t.Errorf("got %q, want %q", stderr.String(), want)
	}
}
