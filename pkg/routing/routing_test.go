package routing_test

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func to(change func(*destination.Destination)) *destination.Destination {
	d := &destination.Destination{
		ID: destination.ID{Tenant: "acme", Name: "main"}, Enabled: true, SamplingRate: 1,
	}
	if change != nil {
		change(d)
	}
	return d
}

func decode(t *testing.T, fields string) *record.Record {
	t.Helper()
	r, err := record.Decode([]byte(`{"id":"g1","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m"` + fields + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFiltersDecideByKeyAndFailClosed(t *testing.T) {
	t.Parallel()
	include := func(d *destination.Destination) { d.APIKeys.Include = []string{"k1", "42"} }
	exclude := func(d *destination.Destination) { d.APIKeys.Exclude = []string{"k1"} }
	both := func(d *destination.Destination) { include(d); exclude(d) }
	tests := []struct {
		name, fields string
		change       func(*destination.Destination)
		want         outcome.FilterReason
	}{
		{"no filter admits all", `,"api_key_id":{}`, nil, ""},
		{"disabled filters all", `,"api_key_id":"k1"`, func(d *destination.Destination) { d.Enabled = false }, outcome.Disabled},
		{"paused is no filter", ``, func(d *destination.Destination) { d.Paused = true }, ""},
		{"included", `,"api_key_id":"k1"`, include, ""},
		{"a number is compared by its digits", `,"api_key_id":42`, include, ""},
		{"not included", `,"api_key_id":"k2"`, include, outcome.APIKeyNotIncluded},
		{"none given doesn't pass an include", ``, include, outcome.APIKeyNotIncluded},
		{"null is none given", `,"api_key_id":null`, include, outcome.APIKeyNotIncluded},
		{"excluded", `,"api_key_id":"k1"`, exclude, outcome.APIKeyExcluded},
		{"none given passes an exclude", ``, exclude, ""},
		{"exclusion wins", `,"api_key_id":"k1"`, both, outcome.APIKeyExcluded},
		{"unreadable fails closed on exclude", `,"api_key_id":{"id":"k2"}`, exclude, outcome.APIKeyUnreadable},
		{"unreadable fails closed on include", `,"api_key_id":true`, include, outcome.APIKeyUnreadable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := routing.Decide(decode(t, tt.fields), to(tt.change))
			if got.Filter != tt.want || (got.End == outcome.Filtered) != (tt.want != "") {
				t.Errorf("got %q (%s), want %q", got.Filter, got.End, tt.want)
			}
		})
	}
}

func TestSamplingKeepsSessionsWholeAndOnlyAddsByARaise(t *testing.T) {
	t.Parallel()
	rates := []float64{0.0001, 0.1, 0.5, 0.9, 1}
	counts := make([]int, len(rates))
	const sessions = 4000
	for s := range sessions {
		was := false
		for i, rate := range rates {
			d := to(func(d *destination.Destination) { d.SamplingRate = rate })
			first := routing.Decide(decode(t, fmt.Sprintf(`,"session_id":"s%d"`, s)), d).Deliver()
			again := routing.Decide(decode(t, fmt.Sprintf(`,"session_id":"s%d","user":"other"`, s)), d).Deliver()
			if first != again {
				t.Fatalf("session %d is split at rate %g", s, rate)
			}
			if was && !first {
				t.Fatalf("session %d was in and is out at the higher rate %g", s, rate)
			}
			was = first
			if first {
				counts[i]++
			}
		}
	}
	for i, rate := range rates {
		if got := float64(counts[i]) / sessions; got < rate-0.04 || got > rate+0.04 {
			t.Errorf("rate %g: %g of the sessions are in", rate, got)
		}
	}
}

func TestSamplingFallsBackToTraceThenRecord(t *testing.T) {
	t.Parallel()
	half := to(func(d *destination.Destination) { d.SamplingRate = 0.5 })
	in := 0
	for i := range 1000 {
		r := decode(t, fmt.Sprintf(`,"trace":{"trace_id":"t%d"}`, i))
		if routing.Decide(r, half).Deliver() {
			in++
		}
	}
	if in < 420 || in > 580 {
		t.Errorf("%d of 1000 traces are in at 0.5", in)
	}
}

func TestSampledOutErrorsAreKeptOnRequest(t *testing.T) {
	t.Parallel()
	never := to(func(d *destination.Destination) { d.SamplingRate = destination.MinSamplingRate })
	keep := to(func(d *destination.Destination) { d.SamplingRate, d.SampleErrors = destination.MinSamplingRate, true })
	failed := decode(t, `,"session_id":"s","error":"boom"`)
	if routing.Decide(failed, never).Deliver() {
		t.Fatal("this session was to be sampled out")
	}
	if !routing.Decide(failed, keep).Deliver() {
		t.Error("the failed generation was sampled out")
	}
	if got := routing.Decide(decode(t, `,"session_id":"s"`), keep).End; got != outcome.SampledOut {
		t.Errorf("the good generation: got %q, want %q", got, outcome.SampledOut)
	}
}

func TestEachDestinationDecidesForItself(t *testing.T) {
	t.Parallel()
	off := to(func(d *destination.Destination) { d.Name, d.Enabled = "off", false })
	got := routing.Route(decode(t, ""), []*destination.Destination{to(nil), off})
	if len(got) != 2 || !got[0].Deliver() || got[1].Filter != outcome.Disabled {
		t.Errorf("got %+v", got)
	}
}
