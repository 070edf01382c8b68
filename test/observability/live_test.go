package observability_test

import (
	"math"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestARealPrometheusAnswersEveryQuery runs for about a minute and a half; `make
// observability-check` sets HOGCAST_OBSERVABILITY.
func TestARealPrometheusAnswersEveryQuery(t *testing.T) {
	if os.Getenv("HOGCAST_OBSERVABILITY") == "" {
		t.Skip("HOGCAST_OBSERVABILITY is not set: `make observability-check`")
	}
	f := startFleet(t)
	p := startPrometheus(t, f.metrics...)
	f.live(t)
	within(t, 30*time.Second, "all branches have ended", func() bool {
		open, err := p.query("sum(hogcast_branches_open) + sum(hogcast_held_branches{state='draining'})")
		return err == nil && len(open) == 1 && number(open[0].Last) == 0
	})
	asksEveryPanel(t, p)
	asksEveryVariable(t, p)
	asksEveryRule(t, p)
	addsUp(t, f, p)
	if dir := os.Getenv("HOGCAST_PICTURES"); dir != "" {
		paint(t, p, f.began, dir)
	}
}

func asksEveryPanel(t *testing.T, p *prometheus) {
	t.Helper()
	for _, d := range dashboards(t) {
		for _, a := range d.Annotations.List {
			if _, err := p.query(plain(a.Expr, "2m")); err != nil {
				t.Errorf("%s: annotation: %v", d.file, err)
			}
		}
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				got, err := p.query(plain(target.Expr, "2m"))
				numbers := slices.DeleteFunc(slices.Clone(got), func(s sample) bool { return math.IsNaN(number(s.Last)) })
				if err != nil || len(numbers) == 0 {
					t.Errorf("%s: %s: %s: %v, %d series, %d of them numbers", d.file, panel.Title, target.Expr, err, len(got), len(numbers))
				}
				legends(t, d.file+": "+panel.Title, target.Legend, got)
			}
		}
	}
}

// legends sees that what a legend names is a label of each series.
func legends(t *testing.T, where, legend string, got []sample) {
	t.Helper()
	for _, m := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(legend, -1) {
		for _, s := range got {
			if _, ok := s.Labels[m[1]]; !ok {
				t.Errorf("%s: the legend names %s, which %v has not", where, m[1], s.Labels)
			}
		}
	}
}

func asksEveryVariable(t *testing.T, p *prometheus) {
	t.Helper()
	for _, d := range dashboards(t) {
		for _, v := range d.Templating.List {
			m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Definition)
			if m == nil {
				continue
			}
			var values []string
			err := p.ask("label/"+m[2]+"/values", url.Values{"match[]": {plain(m[1], "")}}, &values)
			if err != nil || len(values) == 0 {
				t.Errorf("%s: variable %s: %v, no values", d.file, v.Name, err)
			}
		}
	}
}

// asksEveryRule sees that each can be evaluated, that what is recorded is there,
// and that alerts fire for what the story has, and for nothing else.
func asksEveryRule(t *testing.T, p *prometheus) {
	t.Helper()
	states := p.states(t)
	fire := []string{"HogcastDestinationHeld", "HogcastDeadLetters"}
	// acme does fail, but an alert waits for two minutes.
	pend := []string{"HogcastDestinationFailing"}
	may := []string{"HogcastDeliveryFailing"} // by how much was asked of acme
	for _, r := range rules(t, false) {
		got, err := p.query(r.Expr)
		state, loaded := states[r.name()]
		switch {
		case err != nil:
			t.Errorf("%s: %v", r.name(), err)
		case !loaded:
			t.Errorf("%s is not loaded", r.name())
		case r.Record != "":
			if of, err := p.query(r.Record); err != nil || len(of) == 0 || len(got) == 0 {
				t.Errorf("%s: %v, nothing is recorded", r.Record, err)
			}
		case slices.Contains(fire, r.Alert) && state != "firing":
			t.Errorf("%s is %s, want firing", r.Alert, state)
		case slices.Contains(may, r.Alert):
		case slices.Contains(pend, r.Alert) && state == "inactive", !slices.Contains(append(fire, pend...), r.Alert) && state != "inactive":
			t.Errorf("%s is %s: %v", r.Alert, state, got)
		}
	}
}

// addsUp holds the figures to what PostHog has got.
func addsUp(t *testing.T, f *fleet, p *prometheus) {
	t.Helper()
	for _, equal := range []struct {
		expr string
		want float64
	}{
		{`sum(hogcast_branches_total{outcome="delivered"}) + sum(hogcast_held_ended_total{outcome="delivered"})`, float64(f.posthog.Count() + f.posthog.Duplicates())},
		{`sum(hogcast_ledger_imbalance_branches)`, 0},
		{`sum(hogcast_branches_begun_total) - sum(hogcast_branches_total) - sum(hogcast_branches_interrupted_total) - sum(hogcast_branches_repeated_total)`, 0},
		{`sum(hogcast_records_received_total) - sum(hogcast_records_redelivered_total)`, float64(f.sent)},
		{`sum(hogcast_destination_branches_total) - sum(hogcast_branches_total)`, 0},
		{`count(hogcast_stream_messages{stream="HOGCAST_HELD"})`, 1},
		{`sum(max by (state) (hogcast_held_branches)) - sum(hogcast_stream_messages{stream=~"HOGCAST_HELD(_HOSTS)?"})`, 0},
		{`sum(hogcast_dead_letters_total) - sum(max by (reason) (hogcast_dead_letters_stored))`, 0},
		{`max(hogcast_workers)`, 2},
	} {
		var got float64
		ok := func() bool { got = p.value(t, equal.expr); return got == equal.want }
		deadline := time.Now().Add(20 * time.Second)
		tick := time.NewTicker(500 * time.Millisecond)
		for !ok() && time.Now().Before(deadline) {
			<-tick.C
		}
		tick.Stop()
		if got != equal.want {
			t.Errorf("%s is %v, want %v", strings.TrimSpace(equal.expr), got, equal.want)
		}
	}
}
