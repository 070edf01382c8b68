package delivery

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

type sendNothing struct{}

func (sendNothing) Send(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
	return make([]outcome.Verdict, len(batch))
}

// An alarm that rings while its lane goes must not take away the next lane of
// the same destination, whose items nobody would wait for.
func TestALateAlarmOfALaneThatIsGoneTouchesNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, err := New(DefaultConfig(), sendNothing{})
		if err != nil {
			t.Fatal(err)
		}
		id := destination.ID{Tenant: "acme", Name: "main"}
		item := &Item{To: &destination.Destination{ID: id}, Event: &event.Event{}, Deadline: time.Now().Add(time.Hour), Done: func(Result) {}}
		d.Submit(item)
		d.mu.Lock()
		gone := d.lanes[id]
		now := time.Now()
		gone.waiting[live].take()
		d.plan(gone, now)
		next := d.lane(item.To, now)
		next.waiting[live].add(item)
		if next == gone {
			t.Fatal("the lane is not gone: the test tests nothing")
		}
		d.mu.Unlock()
		d.ring(gone) // as the alarm does that was stopped too late
		d.mu.Lock()
		if d.lanes[id] != next {
			t.Error("the next lane is not there any more")
		}
		d.mu.Unlock()
		d.Stop(t.Context())
	})
}
