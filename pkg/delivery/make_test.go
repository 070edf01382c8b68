package delivery_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// made is an item whose event is made when it is sent.
func (e *ends) made(to *destination.Destination, name string, made func()) *delivery.Item {
	item := e.item(to, name)
	ready := item.Event
	item.Event, item.UUID, item.Bytes = nil, name, 1000
	item.Make = func() *event.Event {
		made()
		return ready
	}
	return item
}

func TestAnEventIsMadeForEachRequestAndNotBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests, made atomic.Int32
		l := newEnds()
		d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			if requests.Add(1) == 1 {
				return all(batch, broken)
			}
			return all(batch, accepted)
		}))
		d.Submit(l.made(to("acme"), "one", func() { made.Add(1) }))
		if made.Load() != 0 {
			t.Error("the event was made before its batch was due")
		}
		<-time.After(time.Minute) // of the bubble's clock
		d.Stop(t.Context())
		if made.Load() != 2 || requests.Load() != 2 {
			t.Errorf("made %d times for %d requests, want 2 and 2", made.Load(), requests.Load())
		}
	})
}

func TestWhatIsMadeLaterFillsBatchesByItsBytesAndUUID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		config := delivery.DefaultConfig()
		config.BatchBytes = 3500
		l, sent := newEnds(), &log{}
		d := newDispatcher(t, config, sent.around(func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			return all(batch, accepted)
		}))
		for _, id := range []string{"a", "a", "b", "c", "d"} {
			d.Submit(l.made(to("acme"), id, func() {}))
		}
		d.Stop(t.Context())
		for _, r := range sent.all() {
			seen := map[string]bool{}
			for _, id := range r.UUIDs {
				if seen[id] {
					t.Errorf("%s is twice in a batch", id)
				}
				seen[id] = true
			}
			if len(r.UUIDs) > 3 {
				t.Errorf("a batch of %d events of 1,000 bytes, where 3,500 bytes fit", len(r.UUIDs))
			}
		}
	})
}
