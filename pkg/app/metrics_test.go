package app_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/golden"
)

// family is one metric as a scrape tells it.
type family struct {
	name, kind, help string
	labels           map[string]bool
	series           map[string]string // labels as written → value
}

var (
	sampleLine = regexp.MustCompile(`^([a-z_]+?)(_bucket|_sum|_count)?(?:\{(.*)\})? (\S+)$`)
	labelName  = regexp.MustCompile(`([a-z_]+)="`)
)

// parseMetrics reads the text format, of our own metrics alone.
func parseMetrics(t *testing.T, text string) map[string]*family {
	t.Helper()
	all := map[string]*family{}
	get := func(name string) *family {
		if all[name] == nil {
			all[name] = &family{name: name, labels: map[string]bool{}, series: map[string]string{}}
		}
		return all[name]
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "# HELP hogcast_"):
			name, help, _ := strings.Cut(strings.TrimPrefix(line, "# HELP "), " ")
			get(name).help = help
		case strings.HasPrefix(line, "# TYPE hogcast_"):
			name, kind, _ := strings.Cut(strings.TrimPrefix(line, "# TYPE "), " ")
			get(name).kind = kind
		case strings.HasPrefix(line, "hogcast_"):
			m := sampleLine.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("not a sample: %s", line)
			}
			name := m[1]
			if f := all[name]; f == nil || f.kind != "histogram" {
				name += m[2]
			}
			f := get(name)
			f.series[m[2]+"{"+m[3]+"}"] = m[4]
			for _, l := range labelName.FindAllStringSubmatch(m[3], -1) {
				if l[1] != "le" {
					f.labels[l[1]] = true
				}
			}
		}
	}
	return all
}

// value is a series' value as written; "" where there is none. labels are in
// braces, sorted by name.
func value(all map[string]*family, name, labels string) string {
	if f := all[name]; f != nil {
		return f.series[labels]
	}
	return ""
}

// scrape asks a worker for its metrics.
func scrape(t *testing.T, addr string) map[string]*family {
	t.Helper()
	res, err := http.Get("http://" + addr + "/metrics") //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %s", err, res.Status)
	}
	return parseMetrics(t, string(text))
}

// observed runs a worker that has delivered to one tenant and holds for another,
// and returns the address of its metrics.
func observed(t *testing.T, w *world) string {
	t.Helper()
	addr := make(chan string, 1)
	w.config.Listen, w.config.MetricsTenants, w.config.FiguresEvery = "127.0.0.1:0", 5, 250*time.Millisecond
	w.config.Listening = func(a string) { addr <- a }
	w.posthog.Always(sandbox.Match{APIKey: "phc_acme0000000000"}, sandbox.Status(401))
	stop := w.run(t)
	t.Cleanup(stop)
	w.publish(t, "acme", 30)
	w.publish(t, "beta", 50)
	w.publish(t, "nobody", 1)
	at := <-addr
	eventually(t, "the fleet's figures", func() bool {
		all := scrape(t, at)
		return value(all, "hogcast_held_branches", `{state="held"}`) == "30" &&
			value(all, "hogcast_dead_letters_stored", `{reason="no_destination"}`) == "1"
	})
	return at
}

const twoTenants = "- {tenant: acme, api_key: phc_acme0000000000, endpoint: '%[1]s'}\n- {tenant: beta, api_key: phc_beta0000000000, endpoint: '%[1]s'}\n"

// TestTheWorkersMetricsAreTheGoldenOnes: rules, dashboards and docs/metrics.md
// are held to this list.
func TestTheWorkersMetricsAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	all := scrape(t, observed(t, newWorld(t, twoTenants)))
	var list, table strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f := all[name]
		labels := strings.Join(slices.Sorted(maps.Keys(f.labels)), ",")
		fmt.Fprintf(&list, "%s %s {%s} %s\n", f.name, f.kind, labels, f.help)
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.name, f.kind, strings.ReplaceAll(labels, ",", ", "), f.help)
	}
	golden.Check(t, "testdata/metrics.golden", list.String())
	golden.Check(t, "../../docs/metrics.md", metricsHead+table.String())
}

const metricsHead = `# Metrics of a worker

Written by ` + "`go test ./pkg/app -run Golden -update`" + `; what they are for, and how to add them up over a fleet, is in
[observability.md](observability.md). Beside these are Go's and the process's own (` + "`go_…`, `process_…`" + `).

| metric | type | labels | what it is |
|---|---|---|---|
`

func TestTheFiguresTellWhereTheRecordsAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, twoTenants)
	at := observed(t, w)
	// The last poll of the streams may be from before the end.
	want := map[string]map[string]string{
		"hogcast_branches_total":                      {`{outcome="delivered"}`: "50", `{outcome="held"}`: "30", `{outcome="dead_lettered"}`: "1"},
		"hogcast_branches_begun_total":                {`{}`: "81"},
		"hogcast_ledger_imbalance_branches":           {`{}`: "0"},
		"hogcast_branches_open":                       {`{}`: "0"},
		"hogcast_destination_branches_total":          {`{destination="default",outcome="held",tenant="acme"}`: "30", `{destination="default",outcome="delivered",tenant="beta"}`: "50"},
		"hogcast_destination_held_branches":           {`{destination="default",tenant="acme"}`: "30", `{destination="_other",tenant="_other"}`: "0"},
		"hogcast_destination_unhealthy":               {`{destination="default",reason="unauthorized",state="held",tenant="acme"}`: "1"},
		"hogcast_destinations_blocked":                {`{reason="unauthorized"}`: "1", `{reason="rate_limited"}`: "0"},
		"hogcast_destination_states":                  {`{state="held"}`: "1", `{state="healthy"}`: "1"},
		"hogcast_destination_state_changes_total":     {`{from="healthy",to="held"}`: "1"},
		"hogcast_destinations":                        {`{}`: "2"},
		"hogcast_destinations_left_out":               {`{}`: "0"},
		"hogcast_destinations_last_reload_successful": {`{}`: "1"},
		"hogcast_nats_connected":                      {`{}`: "1"},
		"hogcast_ready":                               {`{}`: "1"},
		"hogcast_workers":                             {`{}`: "1"},
		"hogcast_stream_messages":                     {`{stream="HOGCAST_HELD"}`: "30", `{stream="HOGCAST_GENERATIONS"}`: "0"},
		"hogcast_consumer_pending_records":            {`{stream="HOGCAST_GENERATIONS"}`: "0"},
	}
	var missing string
	ok := within(30*time.Second, func() bool {
		all := scrape(t, at)
		missing = ""
		for name, series := range want {
			for labels, want := range series {
				if got := value(all, name, labels); got != want {
					missing += fmt.Sprintf("%s%s is %q, want %s\n", name, labels, got, want)
				}
			}
		}
		return missing == ""
	})
	if !ok {
		t.Error(missing)
	}
}

// within asks until it is so, or time is up.
func within(limit time.Duration, so func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

func TestOfTwoWorkersOneTellsTheFleetsFigures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, twoTenants)
	addrs := make(chan string, 2)
	w.config.Listen, w.config.Listening = "127.0.0.1:0", func(a string) { addrs <- a }
	w.config.Name = "b"
	defer w.run(t)()
	w.config.Name = "a"
	stopA := w.run(t)
	all := []string{<-addrs, <-addrs}
	tellers := func() (n int) {
		for _, addr := range all {
			if scrape(t, addr)["hogcast_stream_messages"] != nil {
				n++
			}
		}
		return n
	}
	two := func() bool {
		return value(scrape(t, all[0]), "hogcast_workers", "{}") == "2" && value(scrape(t, all[1]), "hogcast_workers", "{}") == "2"
	}
	if !within(20*time.Second, func() bool { return two() && tellers() == 1 }) {
		t.Errorf("%d workers tell the fleet's figures, want one", tellers())
	}
	stopA()
	left := func() bool {
		for _, addr := range all {
			res, err := http.Get("http://" + addr + "/metrics") //nolint:noctx // a test's own server
			if err != nil {
				continue
			}
			text, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			return strings.Contains(string(text), "\nhogcast_stream_messages{")
		}
		return false
	}
	if !within(30*time.Second, left) {
		t.Error("nobody has taken over")
	}
}

func TestMetricsAreServedBeforeThereIsANATS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, twoTenants)
	w.nats.Stop()
	addr := make(chan string, 1)
	w.config.Listen, w.config.Listening = "127.0.0.1:0", func(a string) { addr <- a }
	defer w.run(t)()
	all := scrape(t, <-addr)
	for name, want := range map[string]string{"hogcast_nats_connected": "0", "hogcast_ready": "0"} {
		if got := value(all, name, "{}"); got != want {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
}
