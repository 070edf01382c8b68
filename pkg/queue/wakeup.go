package queue

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
)

// WakeUp sees to it that the subject of a wake-up holds one. That one waits
// there already is success.
func (c *Conn) WakeUp(ctx context.Context, subject string) error {
	// No message id: inside the stream's window it would suppress the next.
	err := c.store(ctx, &nats.Msg{Subject: subject})
	if AtLimit(err) {
		return nil
	}
	return err
}

// Rouse has the wake-up of a subject delivered at once, however long it was to
// sleep: it is deleted and published anew.
func (c *Conn) Rouse(ctx context.Context, subject string) error {
	store, err := c.Store(ctx, StreamWakeups)
	if err != nil {
		return err
	}
	last, err := store.Last(ctx, subject)
	switch {
	case errors.Is(err, ErrNoMessage):
	case err != nil:
		return err
	default:
		if err := store.Delete(ctx, last.Sequence); err != nil {
			return err
		}
	}
	return c.WakeUp(ctx, subject)
}
