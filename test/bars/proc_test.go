package main

import "testing"

func TestProcFilesAreRead(t *testing.T) {
	t.Parallel()
	stat := "4711 (a (worker) x) S 1 4711 4711 0 -1 4194304 1 2 3 4 120 30 5 6 20 0 9 0 100 1 2"
	if got, err := parseStat([]byte(stat)); err != nil || got != 150 {
		t.Errorf("stat: got %d, %v; want 150", got, err)
	}
	if _, err := parseStat([]byte("4711 (worker) S 1")); err == nil {
		t.Error("a cut stat: no error")
	}
	status := []byte("Name:\tworker\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
	if peak, rss := parseKiB(status, "VmHWM:"), parseKiB(status, "VmRSS:"); peak != 2<<20 || rss != 1<<20 {
		t.Errorf("status: got %d and %d", peak, rss)
	}
	if got := parseKiB(status, "VmSwap:"); got != 0 {
		t.Errorf("a line that is missing: got %d", got)
	}
	if got := parseBusy([]byte("cpu  100 20 30 9999 777 1 2 3 50 0\ncpu0 1 1 1 1\n")); got != 1.56 {
		t.Errorf("busy: got %v, want 1.56", got)
	}
}
