package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// readMachine describes where the bench runs. What cannot be read is left empty.
func readMachine() machineReport {
	memory, _ := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	average, _ := strconv.ParseFloat(firstField(string(load)), 64)
	m := machineReport{
		OS:         strings.TrimSpace(runtime.GOOS + " " + string(kernel)),
		Arch:       runtime.GOARCH,
		Processor:  procField("/proc/cpuinfo", "model name"),
		Processors: runtime.NumCPU(),
		MemoryMiB:  memory >> 10,
		Load:       average,
		Go:         runtime.Version(),
	}
	m.Loaded = m.Load > float64(m.Processors)
	return m
}

func firstField(text string) string {
	first, _, _ := strings.Cut(text, " ")
	return first
}

// procField returns the value of the first line "name : value" of file.
func procField(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
