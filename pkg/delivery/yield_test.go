package delivery

import (
	"testing"
	"time"
)

func TestDrainsYieldWhileLiveBatchesGoLate(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	y := yield{limit: 16}
	pass := func(late time.Duration, times int) {
		for range times {
			now = now.Add(yieldEvery)
			y.served(late, now, 64)
		}
	}
	y.served(time.Second, now.Add(yieldEvery), 64)
	y.served(time.Second, now.Add(yieldEvery), 64)
	if y.limit != 12 {
		t.Errorf("two late batches at once: %g at once, want one step down from 16", y.limit)
	}
	now = now.Add(yieldEvery)
	pass(time.Second, 20)
	if y.limit != leastBackground {
		t.Errorf("always late: %g at once, want the least, %d", y.limit, leastBackground)
	}
	pass(time.Millisecond, 100)
	if y.limit != 64 {
		t.Errorf("never late: %g at once, want all 64", y.limit)
	}
}
