// Package deadletter keeps what will not be delivered without somebody's hand.
// Layer 3. It owns no goroutines.
package deadletter

import (
	"context"
	"fmt"

	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Publisher stores one message and returns nil only when it is stored.
type Publisher interface {
	Publish(ctx context.Context, m queue.Message) error
}

// Letter is one branch to be buried. An empty Tenant or Destination is one that
// can't be told.
type Letter struct {
	Tenant      string
	Destination string
	Reason      outcome.DeadReason
	Envelope    envelope.Envelope
}

// Writer writes letters.
type Writer struct {
	publisher  Publisher
	maxPayload int
}

// NewWriter makes a writer for a server of that max_payload, in bytes.
func NewWriter(p Publisher, maxPayload int) *Writer { return &Writer{p, maxPayload} }

// Write stores a letter and returns the reason that it was stored for: where
// even compressed it is over max_payload, the letter keeps size and SHA-256
// alone, as too_large_to_keep. Only a nil error means that it is stored.
func (w *Writer) Write(ctx context.Context, l Letter) (outcome.DeadReason, error) {
	e := l.Envelope
	if !e.Fit(w.maxPayload) {
		e.Detail = fmt.Sprintf("%s: %s", l.Reason, e.Detail)
		l.Reason = outcome.TooLargeToKeep
	}
	e.Reason = string(l.Reason)
	err := w.publisher.Publish(ctx, queue.Message{
		Subject: queue.DeadSubject(l.Tenant, l.Destination, e.Reason),
		ID:      envelope.MoveID(e.Source, tokenOf(l.Destination)),
		Header:  e.Headers(), Body: e.Body,
	})
	if err != nil {
		return l.Reason, fmt.Errorf("writing dead letter: %w", err)
	}
	return l.Reason, nil
}

func tokenOf(destination string) string {
	if destination == "" {
		return queue.NoToken
	}
	return destination
}
