package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Source pulls from one consumer at the caller's pace. What it pulls is in the
// hand until it is settled.
type Source struct {
	conn     *Conn
	hand     *Hand
	window   *Window
	consumer jetstream.Consumer
	ackWait  time.Duration
	size     *pullSize
}

const (
	// drainAckWait and drainIdle: a drain's lease, and how long the server
	// keeps its consumer when nobody pulls. A wake-up never sleeps for longer.
	drainAckWait = 30 * time.Second
	drainIdle    = 3 * time.Minute
	// drainPending bounds what of one subject is in workers' hands.
	drainPending = 5000
	// wakeupsPull is the byte limit of a pull of wake-ups, which have no body.
	wakeupsPull = 128 << 10
)

// Wakeups is the source of wake-ups, whose leases are WakeupsAckWait long.
func (c *Conn) Wakeups(ctx context.Context, hand *Hand) (*Source, error) {
	consumer, err := c.JS.Consumer(ctx, StreamWakeups, ConsumerWakeups)
	if err != nil {
		return nil, asked("consumer "+ConsumerWakeups+" of "+StreamWakeups, err)
	}
	s := c.source(hand, hand.window, consumer)
	// Wake-ups have no body: room for large ones would be kept for nothing.
	s.size.limit, s.size.largest = wakeupsPull, 1<<10
	return s, nil
}

// DrainSource makes the short-lived consumer of one held subject, or finds it:
// several workers share it. window is a part of the hand's.
func (c *Conn) DrainSource(ctx context.Context, hand *Hand, window *Window, subject string) (*Source, error) {
	consumer, err := c.JS.CreateOrUpdateConsumer(ctx, StreamOfHeld(subject), jetstream.ConsumerConfig{
		Name: drainName(subject), FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: drainAckWait, MaxDeliver: -1, MaxAckPending: drainPending,
		InactiveThreshold: drainIdle, MemoryStorage: true,
	})
	if err != nil {
		return nil, asked("a consumer of "+subject, err)
	}
	return c.source(hand, window, consumer), nil
}

// EndDrain deletes the consumer of a held subject that is empty; the server
// does it by itself where this fails.
func (c *Conn) EndDrain(ctx context.Context, subject string) error {
	err := c.JS.DeleteConsumer(ctx, StreamOfHeld(subject), drainName(subject))
	if err == nil || isMissing(err) {
		return nil
	}
	return fmt.Errorf("ending the drain of %s: %w", subject, err)
}

// Reached is the sequence up to which a held subject's drain has handed out what
// is held; where there is no drain, the last of the stream.
func (c *Conn) Reached(ctx context.Context, subject string) (uint64, error) {
	drain, err := c.JS.Consumer(ctx, StreamOfHeld(subject), drainName(subject))
	switch {
	case err == nil:
		return drain.CachedInfo().Delivered.Stream, nil
	case !isMissing(err):
		return 0, asked("the drain of "+subject, err)
	}
	stream, err := c.Store(ctx, StreamOfHeld(subject))
	if err != nil {
		return 0, err
	}
	state, err := stream.State(ctx)
	return state.LastSequence, err
}

// drainName is a hash: tokens joined with `-` would make `a`+`b-c` and
// `a-b`+`c` one consumer.
func drainName(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return "drain-" + hex.EncodeToString(sum[:12])
}

func (c *Conn) source(hand *Hand, window *Window, consumer jetstream.Consumer) *Source {
	return &Source{
		conn: c, hand: hand, window: window, consumer: consumer, ackWait: consumer.CachedInfo().Config.AckWait,
		size: newPullSize(consumer, c),
	}
}

// Pull asks for at most n messages and hands on what comes within wait; it
// returns how many that were. Zero says that none is there now: those that are
// in hands, or asleep, don't count. It waits for room in the window first.
func (s *Source) Pull(ctx context.Context, n int, wait time.Duration, use func(*Delivery)) (int, error) {
	for {
		began := time.Now()
		took, err := s.pull(ctx, n, wait, use)
		if took > 0 || err != nil || !s.size.tooSmall(time.Since(began), wait) {
			return took, err
		}
	}
}

func (s *Source) pull(ctx context.Context, n int, wait time.Duration, use func(*Delivery)) (int, error) {
	left := s.size.room()
	if err := s.window.reserve(ctx, left); err != nil {
		return 0, err
	}
	defer func() { s.window.release(left) }()
	n, opts := s.size.ask(n)
	batch, err := s.consumer.Fetch(n, append(opts, jetstream.FetchMaxWait(wait))...)
	if err != nil {
		return 0, pullError(err)
	}
	took := 0
	// Read to its end even when ctx ends: what was sent would wait for its lease.
	for msg := range batch.Messages() {
		s.size.got(len(msg.Data()))
		d := s.hand.take(msg, &left, lease{s.window, s.ackWait, s.conn.NATS})
		if d == nil {
			continue
		}
		took++
		use(d)
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
		return took, pullError(err)
	}
	return took, nil
}

func pullError(err error) error {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrConsumerDeleted) {
		return fmt.Errorf("pulling: %w: %w", ErrGone, err)
	}
	return fmt.Errorf("pulling: %w", err)
}

// Outstanding is how many messages the source has left: waiting, in hands and
// asleep.
func (s *Source) Outstanding(ctx context.Context) (uint64, error) {
	info, err := s.consumer.Info(ctx)
	if err != nil {
		return 0, asked("a consumer", err)
	}
	return info.NumPending + uint64(info.NumAckPending), nil //nolint:gosec // never negative
}

// HeldCount is how many messages a held subject, or a filter over them, has.
func (c *Conn) HeldCount(ctx context.Context, subject string) (uint64, error) {
	bySubject, err := c.CountBySubject(ctx, StreamOfHeld(subject), subject)
	if err != nil {
		return 0, err
	}
	var n uint64
	for _, count := range bySubject {
		n += count
	}
	return n, nil
}

// StreamSize is how much a stream holds, and may hold in bytes; a Limit below
// 1 is none.
type StreamSize struct {
	Messages, Bytes uint64
	Limit           int64
}

// Usual is the size of a message, in bytes; 0 where there is none.
func (s StreamSize) Usual() float64 {
	if s.Messages == 0 {
		return 0
	}
	return float64(s.Bytes) / float64(s.Messages)
}

// StreamSize asks how much a stream holds.
func (c *Conn) StreamSize(ctx context.Context, stream string) (StreamSize, error) {
	s, err := c.JS.Stream(ctx, stream)
	if err != nil {
		return StreamSize{}, asked("stream "+stream, err)
	}
	info := s.CachedInfo()
	return StreamSize{Messages: info.State.Msgs, Bytes: info.State.Bytes, Limit: info.Config.MaxBytes}, nil
}

// Oldest reads the oldest message of a held subject, or of a filter over them,
// without consuming it; ErrNoMessage where there is none.
func (c *Conn) Oldest(ctx context.Context, subject string) (StoredMessage, error) {
	return c.FirstOf(ctx, StreamOfHeld(subject), subject)
}

// Newest reads the newest message of a held subject; see Oldest.
func (c *Conn) Newest(ctx context.Context, subject string) (StoredMessage, error) {
	s, err := c.Store(ctx, StreamOfHeld(subject))
	if err != nil {
		return StoredMessage{}, err
	}
	return s.Last(ctx, subject)
}
