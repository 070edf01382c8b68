package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// usage is what /proc tells of a process.
type usage struct {
	rss, peak int64   // bytes now, and at most since the last resetPeak
	cpu       float64 // seconds, user and system, since its start
}

// ticksPerSecond is the unit of /proc/PID/stat; the same on every Linux that Go
// runs on.
const ticksPerSecond = 100

// readUsage reads a process's usage.
func readUsage(pid int) (usage, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, fmt.Errorf("reading usage: %w", err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("reading usage: %w", err)
	}
	ticks, err := parseStat(stat)
	if err != nil {
		return usage{}, err
	}
	return usage{
		rss: parseKiB(status, "VmRSS:"), peak: parseKiB(status, "VmHWM:"),
		cpu: float64(ticks) / ticksPerSecond,
	}, nil
}

// parseStat adds user and system time up. The command's name, in parentheses,
// may hold spaces.
func parseStat(stat []byte) (ticks int64, err error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system = 11, 12 // fields 14 and 15, the first after the name being 3
	if len(fields) <= system {
		return 0, fmt.Errorf("reading usage: %d fields in stat", len(fields))
	}
	for _, at := range []int{user, system} {
		n, err := strconv.ParseInt(string(fields[at]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading usage: %w", err)
		}
		ticks += n
	}
	return ticks, nil
}

// parseKiB is a line of /proc/PID/status in bytes; 0 where it is not there.
func parseKiB(status []byte, key string) int64 {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// busy is the CPU time that everything on this machine has taken since it
// started, in seconds; 0 where /proc can't tell.
func busy() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseBusy(text)
}

// parseBusy adds up the first line, all CPUs, but for idle and waiting for I/O.
func parseBusy(text []byte) float64 {
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	const idle, wait, guest = 4, 5, 9 // guests' time is in user's already
	var ticks int64
	for i := 1; i < min(len(fields), guest); i++ {
		if i != idle && i != wait {
			n, _ := strconv.ParseInt(fields[i], 10, 64)
			ticks += n
		}
	}
	return float64(ticks) / ticksPerSecond
}

// resetPeak starts usage.peak anew. Where the kernel refuses, the peak goes on
// being that of the whole life, which no bar gains by.
func resetPeak(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
