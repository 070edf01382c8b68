package event_test

import (
	"testing"

	"github.com/hogcast/hogcast/pkg/event"
)

func TestAReleasedEventHasNothingLeft(t *testing.T) {
	t.Parallel()
	room := event.Borrow(10)
	lent := event.Event{Properties: append(room.Bytes(10), `{"a":"one tenant's"}`...)}
	lent.In(room)
	lent.Release()
	lent.Release() // once is enough
	if lent.Properties != nil {
		t.Errorf("got %s", lent.Properties)
	}
	if next := event.Borrow(20).Bytes(20); len(next) != 0 || cap(next) < 20 {
		t.Errorf("got %d bytes and room for %d", len(next), cap(next))
	}
	own := event.Event{Properties: []byte(`{}`)}
	if own.Release(); string(own.Properties) != `{}` {
		t.Error("an event lost what is its own")
	}
}
