package delivery

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestDrainsYieldWhileGoroutinesWaitForProcessors(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	y := newYield(c)
	for _, of := range []struct {
		long  float64
		times int
		want  float64
	}{{0.5, 1, 12}, {0.5, 20, leastBackground}, {0, 5, leastBackground + 5}, {0, 100, 64}} {
		for range of.times {
			y.adapt(of.long, c, true)
		}
		if got := y.limit[background]; got != of.want {
			t.Errorf("%d times %g: %g at once, want %g", of.times, of.long, got, of.want)
		}
	}
}

func TestLiveRequestsAreFewerWhereMostGoroutinesWait(t *testing.T) {
	t.Parallel()
	for _, of := range []struct {
		senders, times int
		long           float64
		want           float64
	}{
		{256, 1, 0.05, 80}, {256, 10, 0.05, 256}, {256, 50, 0.2, 64}, {40, 50, 0.9, leastLive}, {2, 50, 0.9, 2},
	} {
		c := DefaultConfig()
		c.Senders = of.senders
		y := newYield(c)
		for range of.times {
			y.adapt(of.long, c, false)
		}
		if got := y.limit[live]; got != of.want {
			t.Errorf("%d senders, %d times %g: %g at once, want %g", of.senders, of.times, of.long, got, of.want)
		}
		if y.limit[background] != firstBackground {
			t.Error("without drains, what they may have changed")
		}
		for range 20 {
			y.adapt(0, c, false)
		}
		if got := y.limit[live]; got != float64(of.senders) {
			t.Errorf("%d senders: back to %g", of.senders, got)
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
