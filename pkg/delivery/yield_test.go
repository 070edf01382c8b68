package delivery

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestDrainsYieldWhileGoroutinesWaitForProcessors(t *testing.T) {
	t.Parallel()
	y := yield{limit: 16}
	for _, c := range []struct {
		long  float64
		times int
		want  float64
	}{{0.5, 1, 12}, {0.5, 20, leastBackground}, {0, 5, leastBackground + 5}, {0, 100, 64}} {
		for range c.times {
			y.adapt(c.long, 64)
		}
		if y.limit != c.want {
			t.Errorf("%d times %g: %g at once, want %g", c.times, c.long, y.limit, c.want)
		}
	}
}

// Many more busy goroutines than processors wait; that has to show.
func TestLongWaitsShow(t *testing.T) {
	var w waits
	w.long()
	var busy sync.WaitGroup
	end := time.Now().Add(300 * time.Millisecond)
	for range 50 * runtime.GOMAXPROCS(0) {
		busy.Go(func() {
			for time.Now().Before(end) {
			}
		})
	}
	busy.Wait()
	if got := w.long(); got <= fewWaits || got > 1 {
		t.Errorf("%g of the waits were long", got)
	}
}
