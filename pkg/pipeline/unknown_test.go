package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/pipeline"
	"github.com/hogcast/hogcast/pkg/queue"
)

// late is a registry that learns of destinations when it is asked.
type late struct {
	mu     sync.Mutex
	set    *destination.Set
	there  *destination.Set // what asking finds
	failed error            // nothing answers
	asked  map[string]int
	before func() // each answer
}

func (l *late) Current() *destination.Set {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.set
}

func (l *late) Asked(tenant string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed == nil && l.asked[tenant] > 0
}

func (l *late) Ask(_ context.Context, tenant string) error {
	if l.before != nil {
		l.before()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	l.asked[tenant]++
	l.set = l.there
	return nil
}

func (l *late) answer() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = nil
}

func (l *late) times(tenant string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked[tenant]
}

func startLate(t *testing.T, l *late) *world {
	t.Helper()
	l.asked = map[string]int{}
	return startWith(t, queue.DefaultParams(), func(p *pipeline.Params) { p.Registry, p.Asker = l, l })
}

func TestATenantIsAskedForBeforeItsRecordIsNobodys(t *testing.T) {
	t.Parallel()
	answer := make(chan struct{})
	l := &late{set: destination.NewSet(nil), there: destination.NewSet([]*destination.Destination{to("main", false)}), before: func() { <-answer }}
	w := startLate(t, l)
	defer w.stop()
	const n = 50
	for i := range n {
		id := fmt.Sprint("r", i)
		w.publish(t, id, rec("acme", id, ""))
	}
	await(t, "all to be in hand", func() bool {
		return w.unacknowledged(t) == n && w.counted(t, "hogcast_records_received_total", "") == n
	})
	if events, _ := w.posthog.counts(); events != 0 || len(w.letters(t)) != 0 {
		t.Fatalf("%d events before there was an answer", events)
	}
	close(answer)
	await(t, "the events", func() bool { events, _ := w.posthog.counts(); return events == n })
	await(t, "their acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	if got := l.times("acme"); got != 1 {
		t.Errorf("asked %d times for %d records", got, n)
	}
}

func TestWithoutAnAnswerARecordIsNobodysToJudge(t *testing.T) {
	t.Parallel()
	l := &late{set: destination.NewSet(nil), there: destination.NewSet(nil), failed: errors.New("no answer")}
	tried := make(chan struct{}, 100)
	l.before = func() { tried <- struct{}{} }
	w := startLate(t, l)
	w.publish(t, "a", rec("acme", "a", ""))
	<-tried
	<-tried
	if len(w.letters(t)) != 0 || w.handler.Stuck() {
		t.Error("it was judged, or stopped the others")
	}
	l.answer()
	if l := w.onlyLetter(t); l.Reason != string(outcome.NoDestination) {
		t.Errorf("buried as %s", l.Reason)
	}
	w.stop()
}

func TestWhatIsAskedForWhenTheWorkerStopsIsHandedBack(t *testing.T) {
	t.Parallel()
	l := &late{set: destination.NewSet(nil), there: destination.NewSet(nil), failed: errors.New("no answer")}
	tried := make(chan struct{}, 1000)
	l.before = func() { tried <- struct{}{} }
	w := startLate(t, l)
	w.publish(t, "a", rec("acme", "a", ""))
	<-tried
	w.stop()
	if n := w.unacknowledged(t); n != 1 {
		t.Errorf("%d records are left, want the one that was not judged", n)
	}
}

func TestALetterOfATenantWhoseEntryCantBeReadKeepsNoContent(t *testing.T) {
	t.Parallel()
	set := destination.NewSet(nil).With(destination.Change{ID: destination.ID{Tenant: "acme", Name: "main"}, Unreadable: true})
	w := startWith(t, queue.DefaultParams(), func(p *pipeline.Params) { p.Registry = registry{set} })
	defer w.stop()
	w.publish(t, "a", rec("acme", "a", `,"messages":[{"role":"user","content":"CANARY"}],"usage":{"total_tokens":7}`))
	l := w.onlyLetter(t)
	body, err := l.Envelope.Record()
	if err != nil {
		t.Fatal(err)
	}
	if l.Reason != string(outcome.NoDestination) || strings.Contains(string(body), "CANARY") || !strings.Contains(string(body), `"total_tokens":7`) || !l.Replayable() {
		t.Errorf("%s: %s", l.Reason, body)
	}
}

func TestABranchWhoseSecretOrEntryCantBeReadIsHeldByItsRules(t *testing.T) {
	t.Parallel()
	for reason, entry := range map[outcome.HoldReason]bool{outcome.SecretUnreadable: false, outcome.EntryUnreadable: true} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			unreadableIsHeld(t, reason, entry)
		})
	}
}

func unreadableIsHeld(t *testing.T, reason outcome.HoldReason, entry bool) {
	t.Helper()
	d := to("main", true)
	d.SecretUnreadable, d.EntryUnreadable, d.APIKey = true, entry, destination.Secret{}
	off := to("off", false)
	off.SecretUnreadable, off.Enabled = true, false
	w := start(t, queue.DefaultParams(), d, off, to("good", false))
	defer w.stop()
	w.publish(t, "a", rec("acme", "a", `,"messages":[{"role":"user","content":"CANARY"}]`))
	await(t, "the held branch", func() bool { return w.held(t, "main") == 1 })
	await(t, "the other's event", func() bool { events, _ := w.posthog.counts(); return events == 1 })
	store, err := w.conn.Store(t.Context(), queue.StreamHeld)
	if err != nil {
		t.Fatal(err)
	}
	m, err := store.First(t.Context(), queue.HeldSubject("acme", "main"))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header["Hogcast-Reason"]; len(got) != 1 || got[0] != string(reason) || strings.Contains(string(m.Body), "CANARY") {
		t.Errorf("held for %v: %s", got, m.Body)
	}
	if w.held(t, "off") != 0 {
		t.Error("a disabled destination's branch is held")
	}
}
