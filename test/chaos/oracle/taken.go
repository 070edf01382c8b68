package oracle

import (
	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

// Taken says that PostHog took an event.
func (o *Oracle) Taken(t sandbox.Taken) {
	id, err := uuid.Parse(t.UUID)
	o.mu.Lock()
	b := o.byUUID[id]
	if err != nil || b == nil {
		o.find("invented", -1, t.APIKey, "event %s belongs to no record", t.UUID)
		o.mu.Unlock()
		return
	}
	b.taken++
	switch {
	case b.want == Nothing:
		o.find("leaked", b.n, b.to.ID(), "delivered, although a rule leaves it out")
	case t.APIKey != b.to.Key:
		o.find("misdirected", b.n, b.to.ID(), "delivered with the key of another project, %s", t.APIKey)
	}
	o.mu.Unlock()
	// The branch's destination and hushed don't change any more.
	if kind, how := b.differs(&t, o.load.Record(b.n).Body); kind != "" {
		o.mu.Lock()
		o.find(kind, b.n, b.to.ID(), "%s", how)
		o.mu.Unlock()
	}
}
