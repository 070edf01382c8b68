package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// found is a result with a ratio, a floor and a count that has to be 0.
func found(ratio, floor, lost float64) *result {
	r := newResult("tenant-hang", "abc1234", true)
	r.When = "2026-01-02T03:04:05Z"
	r.atMost("ratio", ratio, 1.2, "×")
	r.atLeast("throughput", floor, 0.97, "×")
	r.atMost("lost", lost, 0, "")
	r.figure("ms", "p99", ratio)
	return r
}

func verdicts(r *result) []bool {
	var out []bool
	for _, b := range r.Bars {
		out = append(out, b.Pass)
	}
	return out
}

func TestABarPassesWithinItsLimitAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		of   *result
		want []bool
	}{
		"at the limits":       {found(1.2, 0.97, 0), []bool{true, true, true}},
		"just past them":      {found(1.21, 0.96, 1), []bool{false, false, false}},
		"not measured":        {found(math.NaN(), math.NaN(), math.NaN()), []bool{false, false, false}},
		"divided by nothing":  {found(math.Inf(1), math.Inf(-1), 0), []bool{false, false, true}},
		"better than healthy": {found(0.5, 1.1, 0), []bool{true, true, true}},
	} {
		if diff := cmp.Diff(tt.want, verdicts(tt.of)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRoundsAreJudgedByTheirMediansButALossIsALoss(t *testing.T) {
	t.Parallel()
	all := medians([]*result{found(1.1, 0.99, 0), found(9, 0.1, 1), found(1, 1, 0)})
	if diff := cmp.Diff([]bool{true, true, false}, verdicts(all)); diff != "" {
		t.Error(diff)
	}
	if all.Rounds != 3 || all.Bars[0].Value != 1.1 || all.Figures[0].Value != 1.1 {
		t.Errorf("got %+v", all)
	}
}

func TestAResultIsATableAndALineOfJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := found(math.Inf(1), 1, 0).write(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "FAIL   ratio        not measured   ≤ 1.20 ×") {
		t.Errorf("got\n%s", out.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var got result
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil || got.Scenario != "tenant-hang" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestARowGoesToTheEndOfTheTable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bars.md")
	if err := os.WriteFile(file, []byte("| head |\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := found(1.5, 1, 0).appendRow(file); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "| 2026-01-02 | abc1234 | tenant-hang (quick) | "
	if lines := strings.Split(string(got), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], want) ||
		!strings.Contains(lines[1], "**ratio 1.50 × (≤ 1.20 ×) FAIL**") {
		t.Errorf("got %s", got)
	}
	if err := found(1, 1, 0).appendRow(filepath.Join(t.TempDir(), "none.md")); err == nil {
		t.Error("a file that is not there: no error")
	}
}
