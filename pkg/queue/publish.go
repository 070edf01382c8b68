package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"
)

// Message is what is published.
type Message struct {
	Subject string
	// ID is the Nats-Msg-Id. It names this instance of a move, so that an
	// unknown outcome can be asked again; see envelope.MoveID.
	ID     string
	Header map[string][]string
	Body   []byte
}

// Bounds of what a connection's publishes hold at once; more callers wait.
const (
	maxPublishes      = 1024
	maxPublishedBytes = 64 << 20 // the largest max_payload fits alone
	// publishAckWait is how long one attempt waits for its ack before it is
	// asked again.
	publishAckWait = 5 * time.Second
)

// publishRoom bounds the publishes in flight, in messages and bytes.
type publishRoom struct{ messages, bytes *semaphore.Weighted }

func newPublishRoom() publishRoom {
	return publishRoom{semaphore.NewWeighted(maxPublishes), semaphore.NewWeighted(maxPublishedBytes)}
}

func (r publishRoom) acquire(ctx context.Context, size int64) (release func(), err error) {
	size = min(size, maxPublishedBytes)
	if err := r.messages.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	if err := r.bytes.Acquire(ctx, size); err != nil {
		r.messages.Release(1)
		return nil, err
	}
	return func() { r.bytes.Release(size); r.messages.Release(1) }, nil
}

// Publish stores a message and waits for the publish ack; any number of
// callers may. An unknown outcome (no answer, connection lost) is asked again
// with the same id until ctx ends; that it is stored already is success. Only
// nil means that it is stored. Errors: ErrQueueFull, ErrTooLarge,
// ErrPermission, or ErrUnavailable with what ended ctx.
func (c *Conn) Publish(ctx context.Context, m Message) error {
	msg := &nats.Msg{Subject: m.Subject, Header: make(nats.Header, len(m.Header)+1), Data: m.Body}
	maps.Copy(msg.Header, m.Header)
	msg.Header.Set(jetstream.MsgIDHeader, m.ID)
	return c.store(ctx, msg)
}

// store publishes until it is stored, or never will be, or ctx ends.
func (c *Conn) store(ctx context.Context, msg *nats.Msg) error {
	// The subject does not count; the rest does, headers included.
	size := int64(msg.Size() - len(msg.Subject))
	if limit := c.NATS.MaxPayload(); size > limit && limit > 0 {
		return fmt.Errorf("publishing to %s: %w: %d bytes; max_payload is %d", msg.Subject, ErrTooLarge, size, limit)
	}
	release, err := c.room.acquire(ctx, size)
	if err != nil {
		return fmt.Errorf("publishing to %s: waiting for room: %w", msg.Subject, err)
	}
	defer release()
	var last error // of an attempt that ctx did not cut short
	err = backoff.Retry(func() error {
		err := c.attempt(ctx, msg)
		if err != nil && (last == nil || ctx.Err() == nil) {
			last = err
		}
		return err
	}, backoff.WithContext(publishBackoff(), ctx))
	switch {
	case err == nil:
		return nil
	case isFinal(err):
		return fmt.Errorf("publishing to %s: %w", msg.Subject, err)
	}
	return fmt.Errorf("publishing to %s: %w: %w; last: %w", msg.Subject, ErrUnavailable, context.Cause(ctx), last)
}

// attempt publishes once. What trying again can't change is permanent.
func (c *Conn) attempt(ctx context.Context, msg *nats.Msg) error {
	ctx, cancel := context.WithTimeoutCause(ctx, publishAckWait, errNoAck)
	defer cancel()
	ctx, stop := c.refusals.watch(ctx, msg.Subject)
	defer stop()
	_, err := c.JS.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	switch cause := context.Cause(ctx); {
	case err == nil:
		return nil
	case errors.Is(cause, ErrPermission):
		return backoff.Permanent(cause)
	case isFull(err):
		return backoff.Permanent(fmt.Errorf("%w: %w", ErrQueueFull, err))
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum):
		return backoff.Permanent(fmt.Errorf("%w: %w", ErrTooLarge, err))
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w; where this lasts, %s", err, mend)
	case cause != nil:
		return cause
	}
	return err
}

// isFinal reports whether an attempt's error was about the message itself.
func isFinal(err error) bool {
	return errors.Is(err, ErrQueueFull) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrPermission)
}

var errNoAck = fmt.Errorf("no publish ack within %s", publishAckWait)

// publishBackoff is for a NATS that is away: it has no end of its own, ctx has.
func publishBackoff() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 100 * time.Millisecond
	b.RandomizationFactor = 0.5
	b.Multiplier = 2
	b.MaxInterval = 3 * time.Second
	b.MaxElapsedTime = 0
	b.Reset()
	return b
}
