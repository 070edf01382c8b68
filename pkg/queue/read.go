package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ReadParams say what to read of a stream.
type ReadParams struct {
	Stream      string
	Subject     string    // filter, wildcards allowed
	From        uint64    // sequence to begin with; it comes before Since
	Since       time.Time // zero: from the first
	HeadersOnly bool      // bodies stay at the server
}

// StoredMessage is one message of a stream, read without being consumed.
type StoredMessage struct {
	Subject  string
	Sequence uint64
	Time     time.Time
	Header   map[string][]string
	Body     []byte // nil where headers alone were asked for
	Size     int    // of the body
}

const (
	// readBatch are read at once; of whole messages fewer, since each may be of
	// max_payload: 8 × 8 MiB.
	readBatch      = 500
	readWholeBatch = 8
	// readWait is how long one fetch waits, and readTries how many may go without
	// a message while some are left.
	readWait  = time.Second
	readTries = 5
	// readerIdle is how long the server keeps a reader that went away.
	readerIdle = 30 * time.Second
)

// Read calls use with each message that matches, oldest first, up to those that
// were there at the start. Only what matches leaves the server. Messages that
// others delete meanwhile are left out. It ends early where use returns an
// error, which it returns; ErrStop ends it without one.
func (c *Conn) Read(ctx context.Context, p ReadParams, use func(StoredMessage) error) error {
	consumer, err := c.reader(ctx, p)
	if err != nil {
		return err
	}
	defer c.endReader(ctx, p.Stream, consumer)
	r := reading{consumer: consumer, left: consumer.CachedInfo().NumPending, batch: readBatch}
	if !p.HeadersOnly {
		r.batch = readWholeBatch
	}
	for r.left > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.some(ctx, use); errors.Is(err, ErrStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// reader makes the short-lived consumer that reads.
func (c *Conn) reader(ctx context.Context, p ReadParams) (jetstream.Consumer, error) {
	config := jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, FilterSubject: p.Subject, HeadersOnly: p.HeadersOnly,
		InactiveThreshold: readerIdle, MemoryStorage: true, Replicas: 1,
	}
	readStart(&config, p.From, p.Since)
	ctx, stop := c.refusals.watch(ctx, c.apiPrefix()+"CONSUMER.CREATE."+p.Stream+".")
	defer stop()
	consumer, err := c.JS.CreateConsumer(ctx, p.Stream, config)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrPermission) {
		return nil, fmt.Errorf("reading %s: %w", p.Stream, cause)
	}
	if err != nil {
		return nil, asked("stream "+p.Stream, err)
	}
	return consumer, nil
}

// endReader deletes a reader; the server forgets it by itself where this fails.
func (c *Conn) endReader(ctx context.Context, stream string, consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiTimeout)
	defer cancel()
	_ = c.JS.DeleteConsumer(ctx, stream, consumer.CachedInfo().Name)
}

// ErrStop ends the reading where a callback of Read returns it.
var ErrStop = errors.New("stop reading")

// reading is one run through a stream.
type reading struct {
	consumer jetstream.Consumer
	left     uint64 // at most, of those that were there at the start
	batch    uint64
	read     uint64 // so far, as the consumer counts
	idle     int    // fetches without a message, one after another
}

// some reads the next few.
func (r *reading) some(ctx context.Context, use func(StoredMessage) error) error {
	batch, err := r.consumer.Fetch(int(min(r.left, r.batch)), jetstream.FetchMaxWait(readWait)) //nolint:gosec // at most readBatch
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	before := r.read
	for msg := range batch.Messages() {
		if err == nil { // else only taken off the channel
			err = r.one(msg, use)
		}
	}
	if err != nil || r.read > before {
		r.idle = 0
		return err
	}
	return r.atEnd(ctx)
}

func (r *reading) one(msg jetstream.Msg, use func(StoredMessage) error) error {
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if r.read++; meta.Sequence.Consumer != r.read {
		return fmt.Errorf("reading: %w: messages were lost on their way", ErrUnavailable)
	}
	// What others deleted is not pending any more; what came in since is, but
	// was not there at the start.
	r.left = min(max(r.left, 1)-1, meta.NumPending)
	return useStored(msg, meta, use)
}

// atEnd tells a stream whose rest was deleted from one that does not answer.
func (r *reading) atEnd(ctx context.Context) error {
	info, err := r.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("reading: %w: %w", ErrUnavailable, err)
	}
	switch {
	case info.NumPending == 0:
		r.left = 0
	case r.idle < readTries:
		r.idle++
	default:
		return fmt.Errorf("reading: %w: %d messages did not come", ErrUnavailable, r.left)
	}
	return nil
}

func useStored(msg jetstream.Msg, meta *jetstream.MsgMetadata, use func(StoredMessage) error) error {
	m := StoredMessage{
		Subject: msg.Subject(), Sequence: meta.Sequence.Stream, Time: meta.Timestamp,
		Header: msg.Headers(), Body: msg.Data(), Size: len(msg.Data()),
	}
	if size := msg.Headers().Get("Nats-Msg-Size"); size != "" {
		_, _ = fmt.Sscan(size, &m.Size)
	}
	return use(m)
}

// Delete deletes one message by its sequence; that there is none is success.
func (c *Conn) Delete(ctx context.Context, stream string, sequence uint64) error {
	s, err := c.Store(ctx, stream)
	if err != nil {
		return err
	}
	return s.Delete(ctx, sequence)
}

// CountBySubject counts a stream's messages by subject, of those that match.
func (c *Conn) CountBySubject(ctx context.Context, stream, filter string) (map[string]uint64, error) {
	s, err := c.Store(ctx, stream)
	if err != nil {
		return nil, err
	}
	return s.CountBySubject(ctx, filter)
}
