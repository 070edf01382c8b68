package main

import (
	"math"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNothingIsLostInTheDeal(t *testing.T) {
	t.Parallel()
	f := defaults()
	if got := sum(f.tenantRates()); math.Abs(got-f.Rate) > 1e-6*f.Rate {
		t.Errorf("the tenants' rates are %g together, not %g", got, f.Rate)
	}
	seen := map[int]bool{}
	for _, w := range line(3, 17) {
		seen[w] = true
	}
	if len(seen) != 17 {
		t.Errorf("%d of 17 workers are in line", len(seen))
	}
}

// With ranks, workers that are not needed get nothing, and so batches stay as
// large as with one worker.
func TestMoreWorkersThanNeededCostNothing(t *testing.T) {
	t.Parallel()
	f := defaults()
	f.Rate, f.Shards, f.Workers = 5000, 1, 1
	one := simulate(f)
	f.Workers = 100
	many := simulate(f)
	if many.Busy != 1 || math.Abs(many.CPU-one.CPU) > 1e-9 || math.Abs(many.Batch-one.Batch) > 1e-9 {
		t.Errorf("one worker: %+v; a hundred: %+v", one, many)
	}
}

func TestWhatIsUsedUpIsNamed(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*fleet){
		"workers' CPU":      func(f *fleet) { f.Workers, f.Rate = 1, 30_000; f.Shards = 16 },
		"a stream's leader": func(f *fleet) { f.Workers, f.Shards, f.Rate = 100, 1, 30_000 },
		"NATS nodes' CPU":   func(f *fleet) { f.Workers, f.Shards, f.Rate = 200, 64, 250_000 },
		"making consumers":  func(f *fleet) { f.Workers, f.Rate = 2000, 1000 },
	} {
		f := defaults()
		change(&f)
		if got := simulate(f).Limit; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSmallBatchesCostMore(t *testing.T) {
	t.Parallel()
	f := defaults()
	f.Tenants, f.Workers, f.Shards, f.Rate = 50, 1, 1, 5000
	few := simulate(f)
	f.Tenants = 10_000
	many := simulate(f)
	if many.CPU < 1.5*few.CPU || many.Batch > few.Batch/2 {
		t.Errorf("50 tenants: %.2f CPU s at %.1f a request; 10,000: %.2f at %.1f", few.CPU, few.Batch, many.CPU, many.Batch)
	}
}
