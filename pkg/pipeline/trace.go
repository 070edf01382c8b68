package pipeline

import (
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// Subjects without the names in them, by which spans are grouped.
const (
	templateGenerations = "hogcast.generations"
	templateHeld        = "hogcast.held"
)

// span begins the span of a record; nil where it is not traced.
func (h *Handler) span(m *queue.Delivery) *telemetry.Span {
	if h.Traces == nil {
		return nil
	}
	return h.Traces.Record(m.Traceparent, telemetry.RecordSpan{
		Subject: m.Subject, Template: templateGenerations, MessageID: m.MsgID,
		Tenant: queue.TenantOf(m.Subject), Bytes: len(m.Data), Deliveries: m.NumDelivered,
	})
}

// trace begins the span of a held branch that is sent: it joins the trace that
// its record has been of. It ends with the branch.
func (k *Keeper) trace(b *branch, bytes int) *telemetry.Span {
	if k.Traces == nil {
		return nil
	}
	b.span = k.Traces.Record(b.e.Traceparent, telemetry.RecordSpan{
		Subject: queue.HeldSubject(b.to.Tenant, b.to.Name), Template: templateHeld, MessageID: b.e.MsgID,
		Tenant: b.to.Tenant, Bytes: bytes, Deliveries: 1,
	})
	settle, span := b.end, b.span
	b.end = func(v queue.Verdict, taken bool) {
		if v == queue.Ack() {
			span.End("")
		} else {
			span.End(string(outcome.Held)) // it stays so
		}
		settle(v, taken)
	}
	return span
}
