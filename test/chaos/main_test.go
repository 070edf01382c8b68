package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/test/chaos/load"
	"github.com/hogcast/hogcast/test/chaos/oracle"
	"github.com/hogcast/hogcast/test/chaos/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSeedsAreReadWithTheirReasons(t *testing.T) {
	t.Parallel()
	got, err := parseSeeds("# why this file\n\n12 # a letter was lost\n7\n")
	if diff := cmp.Diff([]uint64{12, 7}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, text := range []string{"", "# nothing\n", "0\n", "twelve\n", "-3\n"} {
		if got, err := parseSeeds(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestTheListOfSeedsIsOne(t *testing.T) {
	t.Parallel()
	o := options{seeds: "seeds.txt"}
	begun := map[uint64]bool{}
	for day := range 60 {
		seeds, err := o.drawSeeds(time.Date(2026, 1, 1+day, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		begun[seeds[0]] = true
		if day == 59 && len(begun) != len(seeds) {
			t.Errorf("in 60 days %d of %d seeds were the first", len(begun), len(seeds))
		}
	}
}

func TestASeedGivesTheSeedsOfFurtherRuns(t *testing.T) {
	t.Parallel()
	o := options{settings: settings{seed: 9}, runs: 5}
	a, errA := o.drawSeeds(time.Time{})
	b, errB := o.drawSeeds(time.Time{})
	if diff := cmp.Diff(a, b); diff != "" || errA != nil || errB != nil || len(a) != 5 || a[0] != 9 {
		t.Errorf("got %v, %v, %v", a, errA, errB)
	}
}

func TestBadFlagsAreTheHarnessesTrouble(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	for _, args := range [][]string{{"-seed", "x"}, {"-seeds", "no such file"}} {
		if got := command(context.Background(), args, &out, &err); got != codeTrouble {
			t.Errorf("%v: got %d", args, got)
		}
	}
}

// loaded reads the destinations file as a worker would.
func loaded(t *testing.T, f *destinationsFile) map[string]string {
	t.Helper()
	got, err := registry.Load(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if got.LeftOut > 0 {
		t.Fatalf("left out: %v", got.Problems)
	}
	all := map[string]string{}
	for _, d := range got.Destinations {
		all[d.String()] = d.Revision()
	}
	return all
}

func TestTheDestinationsFileIsWhatWorkersRead(t *testing.T) {
	t.Parallel()
	world := load.New(1, time.Time{}).Destinations()
	f, err := newDestinationsFile(t.TempDir(), []string{"http://127.0.0.1:1", "http://127.0.0.2:2", "http://127.0.0.3:3"}, world)
	if err != nil {
		t.Fatal(err)
	}
	before := loaded(t, f)
	if len(before) != len(world)-1 || before["growing.second"] != "" {
		t.Errorf("%d of %d destinations are in the file", len(before), len(world))
	}
	p := player{files: f}
	for _, verb := range []plan.Verb{plan.Pause, plan.Move, plan.Flip} {
		for _, d := range []string{"pausing.main", "moving.main", "flip.main"} {
			s := plan.Step{Verb: verb, Target: d}
			if err := p.set(s, true); err != nil {
				t.Fatal(err)
			}
			if after := loaded(t, f); after[d] == before[d] {
				t.Errorf("%s changes nothing at %s", verb, d)
			}
			if err := p.set(s, false); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, loaded(t, f)); diff != "" {
				t.Errorf("%s: %s", verb, diff)
			}
		}
	}
	if err := p.heal(); err != nil {
		t.Fatal(err)
	}
	if after := loaded(t, f); len(after) != len(world) || after["hush.main"] == before["hush.main"] {
		t.Error("healing doesn't bring what is late")
	}
}

func TestASpoiltFileIsRestored(t *testing.T) {
	t.Parallel()
	f, err := newDestinationsFile(t.TempDir(), []string{"http://127.0.0.1:1", "http://127.0.0.2:2", "http://127.0.0.3:3"}, load.New(1, time.Time{}).Destinations())
	if err != nil {
		t.Fatal(err)
	}
	before := loaded(t, f)
	for _, text := range []string{"", "destinations:\n  - tenant: [\n"} {
		restore, err := f.spoil(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := registry.Load(f.path); err == nil {
			t.Errorf("%q can be read", text)
		}
		if err := restore(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, loaded(t, f)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestARowHasAsManyColumnsAsItsTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "chaos.md"))
	if err != nil {
		t.Fatal(err)
	}
	head := ""
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| date") {
			head = line
		}
	}
	if !strings.HasSuffix(string(text), "|\n") {
		t.Error("docs/chaos.md does not end with its table; rows are appended there")
	}
	r := result{verdict: &oracle.Verdict{Counts: map[string]int{"missing": 2}}}
	row := r.row("abc1234")
	if got, want := strings.Count(row, "|"), strings.Count(head, "|"); got != want || !strings.Contains(row, "FAIL: missing 2") {
		t.Errorf("got %d columns, want %d: %s", got, want, row)
	}
}

func TestAFailedRunTellsWhereTheMissingWasSeenLast(t *testing.T) {
	t.Parallel()
	r := result{
		verdict: &oracle.Verdict{
			Counts:   map[string]int{"missing": 2},
			Findings: []oracle.Finding{{Kind: "missing", Record: 3, Where: "acme.main", Text: "gone"}},
			Missing:  []oracle.Missing{{Record: 3, MsgID: "acme/g3", Tenant: "acme", Destination: "main"}, {Record: 4, MsgID: "acme/g4"}},
		},
		where: []leftover{{Stream: "HOGCAST_HELD", Subject: "hogcast.held.acme.main", MsgID: "acme/g3", Sequence: 17}},
		dir:   "/somewhere",
	}
	var out bytes.Buffer
	r.print(&out)
	for _, want := range []string{"verdict=FAIL", "missing 2", "HOGCAST_HELD 17", "in no stream any more: 1", "acme/g4", "/somewhere", "SEED=0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not told:\n%s", want, out.String())
		}
	}
}

func TestLogsAreSearchedForWhatMustNotBeThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var found []string
	f := &fleet{
		dir: dir, workers: []*worker{{index: 0}},
		report: func(kind, _, _ string, _ ...any) { found = append(found, kind) },
	}
	text := "{\"msg\":\"fine\"}\npanic: runtime error\n{\"msg\":\"" + load.Secret + "\"}\n"
	if err := os.WriteFile(filepath.Join(dir, "worker-0.log"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.inspect([]string{load.Secret})
	if diff := cmp.Diff([]string{"crash", "secret_logged"}, found); diff != "" {
		t.Error(diff)
	}
}
