package pipeline

import (
	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// cargo is what an item carries.
type cargo struct {
	record  *record.Record
	bytes   int      // of the record
	applied []string // privacy rules that it was stored under
	span    *telemetry.Span
}

// load gives the item what the record becomes for its destination: made when it
// is sent, under the privacy rules of that moment. What becomes of a large one is
// kept, as long as these are the same: it may be mostly images, of which little
// is left.
func (h *Handler) load(item *delivery.Item, c cargo) {
	l := &load{cargo: c, handler: h, to: item.To}
	item.Make, item.UUID, item.Bytes = l.event, mapping.UUID(c.record, item.To.Name), c.bytes+mapping.FrameBytes
	if l.large() {
		item.Bytes = l.event().Size()
	}
}

// load makes the events of an item. Thousands wait: it is one object.
type load struct {
	cargo

	handler *Handler
	to      *destination.Destination
	counted bool // the notes
	made    *event.Event
	under   *privacy.Rules // what was made
}

func (l *load) large() bool { return l.bytes > queue.LargeMessage }

func (l *load) event() *event.Event {
	rules := l.handler.rulesOf(l.to).After(l.applied)
	if l.made != nil && rules == *l.under {
		return l.made
	}
	become := mapping.Lend
	if l.large() {
		become = mapping.Map
	}
	e, notes := become(privacy.Apply(l.record, rules), l.to.Name)
	if !l.counted {
		l.counted = true
		l.handler.countNotes(notes)
	}
	e.Traceparent = l.span.Traceparent()
	if l.large() {
		under := rules
		l.made, l.under = e, &under
	}
	return e
}
