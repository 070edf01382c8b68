package delivery_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// slow answers after a time, with what next says.
func slow(latency time.Duration, next senderFunc) senderFunc {
	return func(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
		select {
		case <-time.After(latency):
			return next(ctx, to, batch)
		case <-ctx.Done():
			return all(batch, timedOut)
		}
	}
}

// meter counts the bytes that were accepted of each tenant.
type meter struct {
	mu    sync.Mutex
	bytes map[string]int
}

func (m *meter) around(next senderFunc) senderFunc {
	return func(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
		verdicts := next(ctx, to, batch)
		m.mu.Lock()
		defer m.mu.Unlock()
		for i, v := range verdicts {
			if v.Action == outcome.Accept {
				m.bytes[to.Tenant] += batch[i].Size()
			}
		}
		return verdicts
	}
}

func (m *meter) of(tenant string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes[tenant]
}

// sized is an item with room for a long stay.
func (e *ends) sized(to *destination.Destination, name string, bytes int) *delivery.Item {
	item := e.item(to, name)
	item.Event.Properties = make([]byte, bytes)
	item.Deadline = time.Now().Add(time.Hour)
	return item
}

func named(tenant, name string) *destination.Destination {
	return &destination.Destination{ID: destination.ID{Tenant: tenant, Name: name}, Enabled: true}
}

func TestATenantWithAThousandDestinationsGetsOneTenantsShareOfTheBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, m := newEnds(), &meter{bytes: map[string]int{}}
		config := delivery.DefaultConfig()
		config.Senders = 1
		d := newDispatcher(t, config, m.around(slow(10*time.Millisecond, accept)))
		for i := range 1000 {
			to := named("many", name(i))
			for j := range 20 {
				d.Submit(e.sized(to, "many"+name(i)+name(j), 4000))
			}
		}
		one := to("one")
		for i := range 8000 {
			d.Submit(e.sized(one, "one"+name(i), 4000))
		}
		// Whole batches go at once; the thousand small ones are ready later.
		<-time.After(300 * time.Millisecond)
		many, few := m.of("many"), m.of("one")
		<-time.After(2 * time.Second)
		many, few = m.of("many")-many, m.of("one")-few
		if ratio := float64(many) / float64(few); ratio < 0.9 || ratio > 1.1 {
			t.Errorf("the tenant with many destinations got %d bytes, the other %d: ratio %.2f, want 1", many, few, ratio)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d.Stop(ctx)
	})
}

func TestTheDestinationsOfATenantShareByBytesToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		bytes := map[string]int{}
		config := delivery.DefaultConfig()
		config.Senders = 1
		e, large, small := newEnds(), named("acme", "large"), named("acme", "small")
		d := newDispatcher(t, config, slow(10*time.Millisecond, func(_ context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
			mu.Lock()
			defer mu.Unlock()
			for _, one := range batch {
				bytes[to.Name] += one.Size()
			}
			return all(batch, accepted)
		}))
		for i := range 8000 {
			d.Submit(e.sized(large, "large"+name(i), 4000))
			d.Submit(e.sized(small, "small"+name(i), 400))
		}
		<-time.After(800 * time.Millisecond)
		mu.Lock()
		if ratio := float64(bytes["small"]) / float64(bytes["large"]); ratio < 0.75 || ratio > 1.2 {
			t.Errorf("the one with small events got %d bytes, the other %d: ratio %.2f, want about 1", bytes["small"], bytes["large"], ratio)
		}
		mu.Unlock()
		abandon(t, d)
	})
}

// hangFor hangs for some, and accepts of others.
func hangFor(hangs func(*destination.Destination) bool) senderFunc {
	hanging := hang(nil)
	return func(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
		if hangs(to) {
			return hanging(ctx, to, batch)
		}
		return all(batch, accepted)
	}
}

func TestThoseThatHangLeaveSlotsToOthers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hanging int
		to      func(i int) *destination.Destination
		within  time.Duration
	}{
		"one tenant with a thousand destinations": {1000, func(i int) *destination.Destination {
			return named("hanging", name(i))
		}, 250 * time.Millisecond},
		"a thousand tenants of one endpoint": {1000, func(i int) *destination.Destination {
			d := named("hanging"+name(i), "default")
			d.Endpoint = "https://down.example"
			return d
		}, 250 * time.Millisecond},
		"three hundred tenants of the same endpoint, until they are known to stall": {300, func(i int) *destination.Destination {
			return named("hanging"+name(i), "default")
		}, 2500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { othersAreServed(t, c.hanging, c.to, c.within) })
		})
	}
}

func othersAreServed(t *testing.T, hanging int, hangingTo func(int) *destination.Destination, within time.Duration) {
	t.Helper()
	e, stuck := newEnds(), map[*destination.Destination]bool{}
	d := newDispatcher(t, delivery.DefaultConfig(), hangFor(func(to *destination.Destination) bool { return stuck[to] }))
	var items []*delivery.Item
	for i := range hanging {
		to := hangingTo(i)
		stuck[to] = true
		items = append(items, e.item(to, "hanging"+name(i)), e.item(to, "hanging too"+name(i)))
	}
	for _, item := range items {
		d.Submit(item)
	}
	<-time.After(time.Second)
	start := time.Now()
	for i := range 100 {
		d.Submit(e.item(to(name(i)), name(i)))
	}
	<-time.After(8 * time.Second)
	for i := range 100 {
		if got := e.of(t, name(i)).End; got != delivery.Delivered {
			t.Fatalf("tenant %d: %v", i, got)
		}
		if got := e.when(name(i)).Sub(start); got > within {
			t.Fatalf("tenant %d was served after %s, want %s at most", i, got, within)
		}
	}
	d.Stop(t.Context())
	if got := e.count(); got != 100+2*hanging {
		t.Errorf("%d items ended", got)
	}
}

func TestBackgroundIsServedAfterLiveButNeverStarves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e := newEnds()
		config := delivery.DefaultConfig()
		config.Senders = 1
		gate := make(chan struct{})
		first := hang(gate)
		d := newDispatcher(t, config, l.around(slow(time.Millisecond, first)))
		d.Submit(e.sized(to("first"), "first", 10)) // keeps the sender until all is ready
		<-time.After(time.Second)
		for i := range 4000 {
			item := e.sized(to("drained"+name(i%10)), "drained"+name(i), 10)
			item.Background = true
			d.Submit(item)
		}
		for i := range 8000 {
			d.Submit(e.sized(to("live"+name(i%10)), "live"+name(i), 10))
		}
		if got := d.Stats(); got.Background != 4000 || got.Waiting != 8000 {
			t.Errorf("in hand: %+v", got)
		}
		close(gate)
		<-time.After(80*time.Millisecond + 500*time.Microsecond)
		requests, drained := l.all()[1:], 0
		for i, r := range requests {
			if r.To.Tenant[0] != 'd' {
				continue
			}
			drained++
			if i < 6 {
				t.Errorf("request %d is background's, live ones waited", i)
			}
		}
		if len(requests) < 75 || drained < len(requests)/8-1 || drained > len(requests)/8+1 {
			t.Errorf("%d of %d requests are background's, want one in 8", drained, len(requests))
		}
		d.Stop(t.Context())
	})
}

func TestBackgroundTakesOnlyItsSenders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, start := newEnds(), time.Now()
		config := delivery.DefaultConfig()
		config.BackgroundSenders = 16
		d := newDispatcher(t, config, hangFor(func(to *destination.Destination) bool { return to.Name == "hangs" }))
		for i := range 100 {
			item := e.item(named(name(i), "hangs"), "drained"+name(i))
			item.Background = true
			d.Submit(item)
		}
		<-time.After(time.Second)
		if got := d.Stats(); got.Requests != 16 || got.Background != 84 {
			t.Errorf("in hand: %+v, want 16 requests and the rest waiting", got)
		}
		d.Submit(e.item(to("live"), "live"))
		<-time.After(time.Second)
		if got := e.when("live").Sub(start); got != 1250*time.Millisecond {
			t.Errorf("the live item was delivered after %s", got)
		}
		d.Stop(t.Context())
	})
}

func TestInALaneLiveItemsGoFirstAndBackgroundFillsTheBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme := newEnds(), to("acme")
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(accept))
		for i := range 90 {
			item := e.item(acme, "drained"+name(i))
			item.Background = true
			d.Submit(item)
		}
		d.Submit(e.item(acme, "live"))
		<-time.After(time.Second)
		requests := l.all()
		if len(requests) != 1 || len(requests[0].UUIDs) != 91 || requests[0].UUIDs[0] != "live" {
			t.Errorf("requests = %v, want one of 91 with the live item first", requests)
		}
		d.Stop(t.Context())
	})
}

func TestInALaneThatIsFullBothWaysBackgroundHasItsTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme := newEnds(), to("acme")
		config := delivery.DefaultConfig()
		config.Senders = 1
		d := newDispatcher(t, config, l.around(slow(10*time.Millisecond, accept)))
		for i := range 2000 {
			item := e.sized(acme, "drained"+name(i), 10)
			item.Background = true
			d.Submit(item)
		}
		for i := range 9000 {
			d.Submit(e.sized(acme, "live"+name(i), 10))
		}
		<-time.After(805 * time.Millisecond)
		requests, drained := l.all()[1:], 0
		for _, r := range requests {
			if first, last := r.UUIDs[0][0], r.UUIDs[len(r.UUIDs)-1][0]; first != last {
				t.Errorf("a batch of both, though each class has whole ones")
			} else if first == 'd' {
				drained++
			}
		}
		if drained < len(requests)/8-1 || drained > len(requests)/8+1 {
			t.Errorf("%d of %d requests are background's, want one in 8", drained, len(requests))
		}
		abandon(t, d)
	})
}
