package queue_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func names(what string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s%d", what, i)
	}
	return all
}

// lines lists, for each stream, the workers in their places.
func lines(workers, streams []string) [][]string {
	all := make([][]string, len(streams))
	for i := range all {
		all[i] = make([]string, len(workers))
	}
	for _, w := range workers {
		for i, place := range queue.Places(w, workers, streams) {
			all[i][place] = w
		}
	}
	return all
}

func TestEachStreamHasOneLineThatAllWorkersAgreeOn(t *testing.T) {
	t.Parallel()
	for _, n := range []struct{ workers, streams int }{{1, 1}, {1, 5}, {2, 1}, {5, 3}, {8, 5}, {40, 65}} {
		workers, streams := names("w", n.workers), names("s", n.streams)
		firsts := map[string]int{}
		for i, line := range lines(workers, streams) {
			if slices.Contains(line, "") {
				t.Errorf("%+v: the line of stream %d has a gap: %q", n, i, line)
			}
			firsts[line[0]]++
		}
		for w, first := range firsts {
			if most := (n.streams + n.workers - 1) / n.workers; first > most {
				t.Errorf("%+v: %s is first for %d streams, want at most %d", n, w, first, most)
			}
		}
	}
}

func TestTheOthersKeepTheirOrderWhenAWorkerGoes(t *testing.T) {
	t.Parallel()
	workers, streams := names("w", 8), []string{"S"}
	before := lines(workers, streams)[0]
	for _, gone := range workers {
		left := slices.DeleteFunc(slices.Clone(workers), func(w string) bool { return w == gone })
		want := slices.DeleteFunc(slices.Clone(before), func(w string) bool { return w == gone })
		if got := lines(left, streams)[0]; !slices.Equal(got, want) {
			t.Errorf("without %s: %q, want %q", gone, got, want)
		}
	}
}

func TestAWorkerThatIsNotYetCountedCountsItself(t *testing.T) {
	t.Parallel()
	got := queue.Places("me", []string{"other"}, []string{"S"})
	if want := queue.Places("me", []string{"other", "me"}, []string{"S"}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTenRanksForAnyNumberOfWorkers(t *testing.T) {
	t.Parallel()
	for place, want := range map[int]uint8{1: 2, 2: 3, 3: 3, 4: 4, 7: 4, 8: 5, 31: 6, 63: 7, 64: 8, 100_000: 8} {
		for fetcher := range 2 {
			if got := queue.RankOf(place, fetcher, false); got != want {
				t.Errorf("place %d has rank %d, want %d", place, got, want)
			}
		}
		if got := queue.RankOf(place, 0, true); got != 9 {
			t.Errorf("place %d has rank %d while it is busy, want 9", place, got)
		}
	}
	for fetcher, want := range []uint8{0, 1, 1} {
		if got := queue.RankOf(0, fetcher, false); got != want {
			t.Errorf("fetcher %d of the first has rank %d, want %d", fetcher, got, want)
		}
	}
}

// rankedWorkers start one worker after the other, which know of each other.
func rankedWorkers(t *testing.T, c *queue.Conn, n int, window int64) map[string]*worker {
	t.Helper()
	living, all := names("w", n), map[string]*worker{}
	for i, name := range living {
		all[name] = work(t, c, queue.ConsumerConfig{
			Name: name, Living: func() []string { return living }, Window: queue.NewWindow(window), Heartbeat: time.Second,
		})
		waiting(t, c, 2*(i+1))
	}
	return all
}

// settleAny acknowledges the next delivery to any of three workers at most, and
// names who got it.
func settleAny(t *testing.T, all map[string]*worker, names []string) string {
	t.Helper()
	var got [3]chan *queue.Delivery
	for i, name := range names {
		got[i] = all[name].got
	}
	var d *queue.Delivery
	who := 0
	select {
	case d = <-got[0]:
	case d = <-got[1]:
		who = 1
	case d = <-got[2]:
		who = 2
	case <-time.After(patience):
		t.Fatalf("not within %s: a delivery to any of %v", patience, names)
	}
	all[names[who]].Settle(d, queue.Ack())
	return names[who]
}

func TestTheFirstOfAStreamGetsAllUntilItIsGone(t *testing.T) {
	t.Parallel()
	// On a busy machine the server may still send to a last pull that its worker
	// has given up; that comes again when its lease is over.
	params := queue.DefaultParams()
	params.AckWait = 3 * time.Second
	c, _ := ready(t, embedded.Config{}, params)
	line := lines(names("w", 3), []string{queue.StreamGenerations})[0]
	all := rankedWorkers(t, c, 3, queue.DefaultWindow)
	for n, name := range line {
		toFirst := 0
		for i := range 20 {
			publish(t, c, "acme", fmt.Sprint(n, "-", i), []byte("{}"))
			if settleAny(t, all, line[n:]) == name {
				toFirst++
			}
		}
		// Between two pulls of the first, the next gets it.
		if toFirst < 15 {
			t.Errorf("%s, the first of those left, got %d of 20", name, toFirst)
		}
		all[name].stop(t)
	}
}

func TestABusyWorkerLeavesTheNextRecordsToOthers(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	line := lines(names("w", 2), []string{queue.StreamGenerations})[0]
	body := make([]byte, 20<<10)
	window := 400 * queue.Footprint(len(body))
	all := rankedWorkers(t, c, 2, window)
	// Nothing is settled.
	for i := 0; all[line[1]].Stats().InHand < 20; i++ {
		publish(t, c, "acme", fmt.Sprint(i), body)
		natstest.Eventually(t, "it is in hand", func() bool {
			return all[line[0]].Stats().InHand+all[line[1]].Stats().InHand == i+1
		})
	}
	if first := all[line[0]].Stats().InHand; first < 400/3 || first > 400*2/3 {
		t.Errorf("the first has %d records of the 400 that its window holds, want a third", first)
	}
	for _, w := range all {
		w.stop(t)
	}
}
