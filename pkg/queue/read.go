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
	readBatch = 500
	// readerIdle is how long the server keeps a reader that went away.
	readerIdle = 30 * time.Second
)

// Read calls use with each message that matches, oldest first, up to those that
// were there at the start. Only what matches leaves the server. It ends early
// where use returns an error, which it returns; ErrStop ends it without one.
func (c *Conn) Read(ctx context.Context, p ReadParams, use func(StoredMessage) error) error {
	config := jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, FilterSubject: p.Subject, HeadersOnly: p.HeadersOnly,
		InactiveThreshold: readerIdle, MemoryStorage: true, Replicas: 1,
	}
	if !p.Since.IsZero() {
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &p.Since
	}
	reader, err := c.JS.CreateConsumer(ctx, p.Stream, config)
	if err != nil {
		return asked("stream "+p.Stream, err)
	}
	defer func() {
		// The server forgets it by itself where this fails.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiTimeout)
		defer cancel()
		_ = c.JS.DeleteConsumer(ctx, p.Stream, reader.CachedInfo().Name)
	}()
	for left := reader.CachedInfo().NumPending; left > 0; {
		n, err := readSome(reader, min(left, readBatch), use)
		switch {
		case errors.Is(err, ErrStop):
			return nil
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("reading %s: %w: %d messages did not come", p.Stream, ErrUnavailable, left)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		left -= min(n, left)
	}
	return nil
}

// ErrStop ends the reading where a callback of Read returns it.
var ErrStop = errors.New("stop reading")

func readSome(reader jetstream.Consumer, n uint64, use func(StoredMessage) error) (read uint64, err error) {
	batch, err := reader.Fetch(int(n), jetstream.FetchMaxWait(apiTimeout)) //nolint:gosec // at most readBatch
	if err != nil {
		return 0, fmt.Errorf("reading: %w", err)
	}
	for msg := range batch.Messages() {
		read++
		if err != nil {
			continue // what was asked for has to be taken off the channel
		}
		err = useStored(msg, use)
	}
	return read, err
}

func useStored(msg jetstream.Msg, use func(StoredMessage) error) error {
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	m := StoredMessage{
		Subject: msg.Subject(), Sequence: meta.Sequence.Stream, Time: meta.Timestamp,
		Header: msg.Headers(), Body: msg.Data(), Size: len(msg.Data()),
	}
	if size := msg.Headers().Get("Nats-Msg-Size"); size != "" {
		_, _ = fmt.Sscan(size, &m.Size)
	}
	return use(m)
}

// Get reads one message by its sequence; the error is jetstream.ErrMsgNotFound
// where there is none.
func (c *Conn) Get(ctx context.Context, stream string, sequence uint64) (StoredMessage, error) {
	s, err := c.JS.Stream(ctx, stream)
	if err != nil {
		return StoredMessage{}, asked("stream "+stream, err)
	}
	m, err := s.GetMsg(ctx, sequence)
	if err != nil {
		return StoredMessage{}, fmt.Errorf("reading message %d of %s: %w", sequence, stream, err)
	}
	return StoredMessage{
		Subject: m.Subject, Sequence: m.Sequence, Time: m.Time, Header: m.Header, Body: m.Data, Size: len(m.Data),
	}, nil
}

// Delete deletes one message by its sequence.
func (c *Conn) Delete(ctx context.Context, stream string, sequence uint64) error {
	s, err := c.JS.Stream(ctx, stream)
	if err != nil {
		return asked("stream "+stream, err)
	}
	if err := s.DeleteMsg(ctx, sequence); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("deleting message %d of %s: %w", sequence, stream, err)
	}
	return nil
}

// CountBySubject counts a stream's messages by subject, of those that match.
func (c *Conn) CountBySubject(ctx context.Context, stream, filter string) (map[string]uint64, error) {
	s, err := c.JS.Stream(ctx, stream)
	if err != nil {
		return nil, asked("stream "+stream, err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, asked("stream "+stream, err)
	}
	return info.State.Subjects, nil
}
