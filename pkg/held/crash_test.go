package held_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

// quickly has a dead worker's wake-up come back soon, yet not a living one's on
// a busy machine.
func quickly(p *queue.Params) { p.WakeupsAckWait = 2 * time.Second }

// mortal is a worker that dies where fatal says so of what it has in hand: it
// goes no further, its leases run out, and it says nothing any more.
func (tn *town) mortal(t *testing.T, name string, fatal func(text string) bool) (w *worker, died <-chan struct{}) {
	t.Helper()
	w = tn.idle(t, name, func(p *held.Params) { p.Worker = name })
	over, dead := make(chan struct{}), make(chan struct{})
	var once sync.Once
	hook := func(text string) {
		if !fatal(text) {
			return
		}
		once.Do(func() { w.conn.Close(); w.die(); close(dead) })
		<-over
	}
	w.sink.before.Store(&hook)
	w.stopKeeper = background(t, w.keeper.Run)
	t.Cleanup(func() { close(over) })
	return w, dead
}

// generations has workers live one after another, each until it dies, until over
// says so; it returns how many have died.
func (tn *town) generations(t *testing.T, most int, fatal func(worker int, text string) bool, over func(*worker) bool) (deaths int) {
	t.Helper()
	for deaths <= most {
		w, died := tn.mortal(t, fmt.Sprint("w", deaths), func(text string) bool { return fatal(deaths, text) })
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		late := time.After(patience)
	life:
		for {
			select {
			case <-died:
				break life
			case <-tick.C:
				if over(w) {
					return deaths
				}
			case <-late:
				t.Fatalf("worker %d neither died nor came to an end; %d held", deaths, tn.count(t, queue.StreamHeld, ">"))
			}
		}
		deaths++
	}
	t.Fatalf("%d workers have died", deaths)
	return deaths
}

func TestAHeldRecordThatKillsWorkersIsADeadLetter(t *testing.T) {
	t.Parallel()
	const n, fatal = 300, "acme 150"
	for name, host := range map[string]string{"of a destination": "", "of a host": queue.HostToken(endpoint)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn := newTown(t, quickly)
			to := destinationOf("acme")
			tn.know(to)
			tn.hold(t, to.ID, host, n)
			if host == "" {
				tn.rouse(t, to.ID)
			}
			var last *worker
			var delivered []string
			deaths := tn.generations(t, 12, func(_ int, text string) bool { return text == fatal }, func(w *worker) bool {
				if w != last && last != nil {
					delivered = append(delivered, last.sink.delivered()...)
				}
				last = w
				return tn.count(t, queue.StreamHeld, ">")+tn.count(t, queue.StreamHeldHosts, ">") == 0
			})
			if want := 3 + 5; deaths != want {
				t.Errorf("%d workers have died, want %d", deaths, want)
			}
			if diff := cmp.Diff([]string{fatal}, last.sink.letters(outcome.CrashesWorker)); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			delivered = append(delivered, last.sink.delivered()...)
			slices.Sort(delivered)
			want := slices.DeleteFunc(texts(to.ID, n), func(s string) bool { return s == fatal })
			slices.Sort(want)
			if diff := cmp.Diff(want, slices.Compact(delivered)); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
			natstest.Eventually(t, "no mark is left", func() bool { return len(tn.marks(t)) == 0 })
		})
	}
}

func TestAProbeThatKillsWorkersIsADeadLetter(t *testing.T) {
	t.Parallel()
	tn := newTown(t, quickly)
	to := destinationOf("acme")
	tn.know(to)
	tn.hold(t, to.ID, "", 1)
	tn.block(t, to, nil)
	tn.rouse(t, to.ID)
	var last *worker
	deaths := tn.generations(t, 12, func(int, string) bool { return true }, func(w *worker) bool {
		if w != last {
			tn.block(t, to, nil) // its probe is due; it may be made before we could see that it is known
		}
		last = w
		return tn.heldFor(t, to.ID) == 0
	})
	if want := 2 + 5; deaths != want {
		t.Errorf("%d workers have died, want %d", deaths, want)
	}
	if diff := cmp.Diff([]string{"acme 1"}, last.sink.letters(outcome.CrashesWorker)); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

// Each worker is killed, and never twice in a row over the same record.
func TestWorkersThatAreKilledCondemnNobody(t *testing.T) {
	t.Parallel()
	const n, deadly = 200, 14
	tn := newTown(t, quickly)
	to := destinationOf("acme")
	tn.know(to)
	tn.hold(t, to.ID, "", n)
	tn.rouse(t, to.ID)
	var mu sync.Mutex
	seen := map[int]int{} // by worker
	var workers []*worker
	tn.generations(t, deadly, func(worker int, _ string) bool {
		mu.Lock()
		defer mu.Unlock()
		seen[worker]++
		return worker < deadly && seen[worker] == worker%3+1
	}, func(w *worker) bool {
		if !slices.Contains(workers, w) {
			workers = append(workers, w)
		}
		return tn.heldFor(t, to.ID) == 0
	})
	var delivered []string
	for _, w := range workers {
		if got := w.sink.letters(outcome.CrashesWorker); len(got) != 0 {
			t.Errorf("dead letters: %v", got)
		}
		delivered = append(delivered, w.sink.delivered()...)
	}
	slices.Sort(delivered)
	want := texts(to.ID, n)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(delivered)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestAnOrderlyStopIsNoDeath(t *testing.T) {
	t.Parallel()
	tn := newTown(t, quickly)
	to := destinationOf("acme")
	tn.know(to)
	tn.hold(t, to.ID, "", 3)
	w := tn.idle(t, "a", func(p *held.Params) { p.Worker = "a" })
	gate := make(chan struct{})
	w.sink.gate.Store(&gate)
	w.stopKeeper = background(t, w.keeper.Run)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "it says what it has in hand", func() bool {
		all := tn.marks(t)
		return len(all) == 1 && strings.HasPrefix(all[0].Holder, "a/") && w.hand.Stats().InHand > 1
	})
	stopped := make(chan struct{})
	go func() { defer close(stopped); w.stopKeeper() }()
	close(gate)
	<-stopped
	if got := tn.marks(t); len(got) != 0 {
		t.Errorf("a mark is left: %+v", got)
	}
}

// A worker that was cut off or stopped for a while has lost its lease, and was
// counted as dead; when it goes on it takes that back.
func TestAWorkerThatComesBackWasNotKilled(t *testing.T) {
	t.Parallel()
	tn := newTown(t, quickly)
	to := destinationOf("acme")
	tn.know(to)
	tn.hold(t, to.ID, "", 1)
	tn.rouse(t, to.ID)
	all := func(int, string) bool { return true }
	tn.generations(t, 12, all, func(*worker) bool {
		m := tn.marks(t)
		return len(m) == 1 && len(m[0].Victims) > 0
	})

	frozen := tn.idle(t, "frozen", func(p *held.Params) { p.Worker = "frozen" })
	gate := make(chan struct{})
	hook := func(string) { <-gate }
	frozen.sink.before.Store(&hook)
	frozen.stopKeeper = background(t, frozen.keeper.Run)
	thaw := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(thaw)
	natstest.Eventually(t, "it has the record in hand, alone", func() bool {
		m := tn.marks(t)
		return len(m) == 1 && strings.HasPrefix(m[0].Holder, "frozen/") && m[0].Alone
	})
	frozen.die()
	_, died := tn.mortal(t, "next", func(string) bool { return true })
	<-died
	blamed := func() bool {
		m := tn.marks(t)
		return len(m) == 1 && slices.ContainsFunc(m[0].Victims, func(v string) bool { return strings.HasPrefix(v, "frozen/") })
	}
	if !blamed() {
		t.Fatalf("it is not counted: %+v", tn.marks(t))
	}
	thaw()
	natstest.Eventually(t, "it takes back that it died", func() bool { return !blamed() })
}

// marked is a mark as it is stored.
type marked struct {
	Holder  string
	Alone   bool
	Victims []string
}

func (tn *town) marks(t *testing.T) (all []marked) {
	t.Helper()
	b, err := tn.outside.Bucket(t.Context(), queue.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Each(t.Context(), func(e queue.Entry) {
		var one []marked
		if strings.HasPrefix(e.Key, "_drain.") && json.Unmarshal(e.Value, &one) == nil {
			all = append(all, one...)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return all
}
