package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// WakeUp sees to it that the subject of a wake-up holds one. That one waits
// there already is success.
func (c *Conn) WakeUp(ctx context.Context, subject string) error {
	// No message id: inside the stream's window it would suppress the next.
	err := c.store(ctx, &nats.Msg{Subject: subject})
	if errors.Is(err, ErrQueueFull) {
		return nil
	}
	return err
}

// Rouse has the wake-up of a subject delivered at once, however long it was to
// sleep: it is deleted and published anew.
func (c *Conn) Rouse(ctx context.Context, subject string) error {
	stream, err := c.JS.Stream(ctx, StreamWakeups)
	if err != nil {
		return asked("stream "+StreamWakeups, err)
	}
	last, err := stream.GetLastMsgForSubject(ctx, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
	case err != nil:
		return fmt.Errorf("rousing %s: %w", subject, err)
	default:
		if err := stream.DeleteMsg(ctx, last.Sequence); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("rousing %s: %w", subject, err)
		}
	}
	return c.WakeUp(ctx, subject)
}
