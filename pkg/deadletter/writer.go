// Package deadletter keeps what will not be delivered without somebody's hand,
// and finds it again. Layer 3. It owns no goroutines.
package deadletter

import (
	"context"
	"fmt"
	"sync"

	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Queue stores letters and makes room for them; a *queue.Conn does.
type Queue interface {
	// Publish stores one message and returns nil only when it is stored.
	Publish(ctx context.Context, m queue.Message) error
	// FirstOf reads the oldest message of a stream that matches.
	FirstOf(ctx context.Context, stream, filter string) (queue.StoredMessage, error)
	// CountBySubject counts a stream's messages by subject, of those that match.
	CountBySubject(ctx context.Context, stream, filter string) (map[string]uint64, error)
	// Delete deletes one message by its sequence.
	Delete(ctx context.Context, stream string, sequence uint64) error
}

// Letter is one branch to be buried. An empty Tenant or Destination is one that
// can't be told.
type Letter struct {
	Tenant      string
	Destination string
	Reason      outcome.DeadReason
	Envelope    envelope.Envelope
	// From is the very message that is buried; zero: the generation message,
	// Envelope.Source. Who buries a held message must name it: with the source
	// alone a branch that was replayed, and died again inside the stream's
	// duplicate window, would pass for its first letter, which is gone.
	From envelope.Source
}

// Writer writes letters.
type Writer struct {
	queue      Queue
	maxPayload int
	discarded  func(Discard)
	room       sync.Mutex // held while room is made
}

// NewWriter makes a writer for a server of that max_payload, in bytes.
func NewWriter(q Queue, maxPayload int) *Writer {
	return &Writer{queue: q, maxPayload: maxPayload, discarded: func(Discard) {}}
}

// OnDiscard has use told of every letter that was deleted to make room. Call it
// before the first Write; use must be safe for concurrent callers.
func (w *Writer) OnDiscard(use func(Discard)) { w.discarded = use }

// Write stores a letter and returns the reason that it was stored for: where
// even compressed it is over max_payload, the letter keeps size and SHA-256
// alone, as too_large_to_keep. Where the stream or the letter's subject is full,
// the oldest letters of the same destination make room. Only a nil error means
// that it is stored; queue.ErrQueueFull, that there is no room to be made.
func (w *Writer) Write(ctx context.Context, l Letter) (outcome.DeadReason, error) {
	e := l.Envelope
	if !e.Fit(w.maxPayload) {
		e.Detail = fmt.Sprintf("%s: %s", l.Reason, e.Detail)
		l.Reason = outcome.TooLargeToKeep
	}
	e.Reason = string(l.Reason)
	from := l.From
	if from.Stream == "" {
		from = e.Source
	}
	err := w.publish(ctx, l, queue.Message{
		Subject: queue.DeadSubject(l.Tenant, l.Destination, e.Reason),
		ID:      envelope.MoveID(from, Token(l.Destination)),
		Header:  e.Headers(), Body: e.Body,
	})
	if err != nil {
		return l.Reason, fmt.Errorf("writing dead letter: %w", err)
	}
	return l.Reason, nil
}
