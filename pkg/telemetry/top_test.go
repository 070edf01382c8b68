package telemetry_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

const ofDestination = "hogcast_destination_branches_total"

// top is a top set whose clock the test turns.
type top struct {
	t        *testing.T
	registry *prometheus.Registry
	m        *telemetry.Metrics
	now      time.Time
}

func newTop(t *testing.T, places int) *top {
	t.Helper()
	p := &top{t: t, registry: prometheus.NewRegistry(), now: time.Unix(1000, 0)}
	p.m = telemetry.New(p.registry, telemetry.Params{Tenants: places})
	p.m.Top.SetClock(func() time.Time { return p.now })
	return p
}

func (p *top) send(tenant string, n int) {
	for range n {
		p.m.Ended(tenant, "main", outcome.Delivered)
	}
}

// minute has a minute pass, at whose end the places are given anew.
func (p *top) minute() {
	p.now = p.now.Add(time.Minute)
	p.m.Top.Attempt("", "", outcome.OK, time.Millisecond)
}

func (p *top) has(tenant string) bool {
	_, ok := value(p.t, p.registry, ofDestination, "tenant", tenant, "outcome", "delivered")
	return ok
}

func (p *top) count(tenant string) float64 {
	n, _ := value(p.t, p.registry, ofDestination, "tenant", tenant, "outcome", "delivered")
	return n
}

func TestTheFirstDestinationsHaveSeriesAtOnceAndTheOthersShareOne(t *testing.T) {
	t.Parallel()
	p := newTop(t, 2)
	if n, ok := value(t, p.registry, ofDestination, "tenant", "_other", "outcome", "held"); !ok || n != 0 {
		t.Error("_other is not there at 0 from the start")
	}
	p.send("a", 3)
	p.send("b", 4)
	p.send("c", 5)
	p.send("d", 6)
	if p.count("a") != 3 || p.count("b") != 4 || p.count("_other") != 11 || p.has("c") {
		t.Errorf("a %v, b %v, _other %v, c has a place: %v", p.count("a"), p.count("b"), p.count("_other"), p.has("c"))
	}
	if n, ok := value(t, p.registry, ofDestination, "tenant", "a", "outcome", "dead_lettered"); !ok || n != 0 {
		t.Error("another end of one with a place is not there at 0")
	}
}

func TestAPlaceIsTakenOnlyByOneWithFarMoreTraffic(t *testing.T) {
	t.Parallel()
	p := newTop(t, 2)
	p.send("a", 100)
	p.send("b", 90)
	p.send("c", 170)
	p.minute()
	if !p.has("a") || !p.has("b") || p.has("c") {
		t.Fatal("a place changed hands for less than twice the traffic")
	}
	p.send("c", 400)
	p.send("a", 100)
	p.minute()
	if !p.has("c") || p.has("b") || !p.has("a") {
		t.Fatalf("a %v b %v c %v: the weakest should have given way", p.has("a"), p.has("b"), p.has("c"))
	}
	p.send("b", 1)
	if p.has("b") {
		t.Error("who has lost its place came again by itself")
	}
}

func TestAQuietDestinationKeepsItsPlaceWhileNobodyWantsIt(t *testing.T) {
	t.Parallel()
	p := newTop(t, 2)
	p.send("a", 1)
	for range 100 {
		p.minute()
	}
	if !p.has("a") {
		t.Error("it lost its place")
	}
}

func TestSeriesAndMemoryAreBoundedWhateverTheTenants(t *testing.T) {
	t.Parallel()
	p := newTop(t, 5)
	for round := range 6 {
		for i := range 1500 {
			p.send(fmt.Sprintf("t%d", i*7919%1500+round), 1+(i+round)%9)
			p.m.Top.Attempt(fmt.Sprintf("t%d", i), "main", outcome.Timeout, time.Second)
		}
		p.minute()
	}
	series := 0
	for _, f := range gather(t, p.registry) {
		if f.GetName() == ofDestination {
			series = len(f.GetMetric())
		}
	}
	if want := (5 + 1) * len(outcome.Ends()); series > want {
		t.Errorf("%d series, want at most %d", series, want)
	}
	if n := p.m.Top.Counted(); n > 1024 {
		t.Errorf("%d destinations are counted", n)
	}
	var total float64
	for _, f := range gather(t, p.registry) {
		if f.GetName() == "hogcast_branches_total" {
			for _, m := range f.GetMetric() {
				total += m.GetCounter().GetValue()
			}
		}
	}
	if total == 0 {
		t.Error("nothing was counted at all")
	}
}

func TestWithoutPlacesThereAreNoSeriesByTenant(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := telemetry.New(registry, telemetry.Params{})
	m.Ended("acme", "main", outcome.Delivered)
	m.HeldEnded("acme", "main", outcome.Delivered)
	m.Top.Attempt("acme", "main", outcome.OK, time.Second)
	for _, f := range gather(t, registry) {
		for _, s := range f.GetMetric() {
			for _, l := range s.GetLabel() {
				if l.GetName() == "tenant" {
					t.Fatalf("%s has a tenant", f.GetName())
				}
			}
		}
	}
}

func BenchmarkEnded(b *testing.B) {
	for _, places := range []int{0, 20} {
		b.Run(fmt.Sprint(places), func(b *testing.B) {
			m := telemetry.New(prometheus.NewRegistry(), telemetry.Params{Tenants: places})
			b.ReportAllocs()
			for b.Loop() {
				m.Ended("acme", "main", outcome.Delivered)
			}
		})
	}
}
