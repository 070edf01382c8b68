package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Store is one stream looked up once, for those who ask it many questions and
// consume nothing. Any number of callers may.
type Store struct {
	conn   *Conn
	name   string
	stream jetstream.Stream
}

// Store looks a stream up.
func (c *Conn) Store(ctx context.Context, stream string) (*Store, error) {
	var s jetstream.Stream
	err := c.permitted(ctx, c.apiPrefix()+"STREAM.INFO."+stream, "asking for stream "+stream, func(ctx context.Context) (err error) {
		s, err = c.JS.Stream(ctx, stream)
		return err
	})
	if err != nil {
		return nil, asked("stream "+stream, err)
	}
	return &Store{c, stream, s}, nil
}

// Get reads one message by its sequence; ErrNoMessage where there is none.
func (s *Store) Get(ctx context.Context, sequence uint64) (StoredMessage, error) {
	return s.message(fmt.Sprintf("message %d", sequence), func() (*jetstream.RawStreamMsg, error) {
		if sequence == 0 { // the server takes it for no question
			return nil, jetstream.ErrMsgNotFound
		}
		return s.stream.GetMsg(ctx, sequence)
	})
}

// First reads the oldest message that matches the filter, wildcards allowed;
// ErrNoMessage where there is none.
func (s *Store) First(ctx context.Context, filter string) (StoredMessage, error) {
	return s.message("the first of "+filter, func() (*jetstream.RawStreamMsg, error) {
		return s.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(filter))
	})
}

// Last reads the newest message that matches; see First.
func (s *Store) Last(ctx context.Context, filter string) (StoredMessage, error) {
	return s.message("the last of "+filter, func() (*jetstream.RawStreamMsg, error) {
		return s.stream.GetLastMsgForSubject(ctx, filter)
	})
}

func (s *Store) message(what string, get func() (*jetstream.RawStreamMsg, error)) (StoredMessage, error) {
	m, err := get()
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return StoredMessage{}, fmt.Errorf("reading %s of %s: %w", what, s.name, ErrNoMessage)
	case err != nil:
		return StoredMessage{}, fmt.Errorf("reading %s of %s: %w: %w", what, s.name, ErrUnavailable, err)
	}
	return StoredMessage{
		Subject: m.Subject, Sequence: m.Sequence, Time: m.Time, Header: m.Header, Body: m.Data, Size: len(m.Data),
	}, nil
}

// Delete deletes one message by its sequence; that there is none is success.
func (s *Store) Delete(ctx context.Context, sequence uint64) error {
	err := s.may(ctx, "STREAM.MSG.DELETE.", fmt.Sprintf("deleting message %d of %s", sequence, s.name), func(ctx context.Context) error {
		return s.stream.DeleteMsg(ctx, sequence)
	})
	if errors.Is(err, ErrPermission) {
		return err
	}
	if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	// The server has one code for all that can go wrong here.
	if _, gone := s.Get(ctx, sequence); errors.Is(gone, ErrNoMessage) {
		return nil
	}
	return fmt.Errorf("deleting message %d of %s: %w: %w", sequence, s.name, ErrUnavailable, err)
}

// Purge deletes what matches the filter, up to and with the sequence.
func (s *Store) Purge(ctx context.Context, filter string, last uint64) error {
	err := s.may(ctx, "STREAM.PURGE.", "purging "+filter+" of "+s.name, func(ctx context.Context) error {
		return s.stream.Purge(ctx, jetstream.WithPurgeSubject(filter), jetstream.WithPurgeSequence(last+1))
	})
	if errors.Is(err, ErrPermission) {
		return err
	}
	if err != nil {
		return fmt.Errorf("purging %s of %s: %w", filter, s.name, err)
	}
	return nil
}

// may asks something of the stream; see permitted.
func (s *Store) may(ctx context.Context, verb, what string, ask func(context.Context) error) error {
	return s.conn.permitted(ctx, s.conn.apiPrefix()+verb+s.name, what, ask)
}

// State is what a stream tells of itself.
type State struct {
	Messages      uint64
	FirstSequence uint64
	LastSequence  uint64
	PerSubject    int64 // messages that a subject may hold; ≤ 0: any number
}

// State asks the stream.
func (s *Store) State(ctx context.Context) (State, error) {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return State{}, asked("stream "+s.name, err)
	}
	return State{
		Messages: info.State.Msgs, FirstSequence: info.State.FirstSeq, LastSequence: info.State.LastSeq,
		PerSubject: info.Config.MaxMsgsPerSubject,
	}, nil
}

// CountBySubject counts the messages of each subject that matches.
func (s *Store) CountBySubject(ctx context.Context, filter string) (map[string]uint64, error) {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, asked("stream "+s.name, err)
	}
	return info.State.Subjects, nil
}

// Span tells how many messages match the filter from a sequence or a time on,
// and the sequence that this begins with; it reads none of them.
func (s *Store) Span(ctx context.Context, p ReadParams) (from, pending uint64, err error) {
	p.Stream = s.name
	reader, err := s.conn.reader(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	defer s.conn.endReader(ctx, p.Stream, reader)
	info := reader.CachedInfo()
	return info.Delivered.Stream + 1, info.NumPending, nil
}

// Read reads as Conn.Read does.
func (s *Store) Read(ctx context.Context, p ReadParams, use func(StoredMessage) error) error {
	p.Stream = s.name
	return s.conn.Read(ctx, p, use)
}

// FirstOf reads the oldest message of a stream that matches; ErrNoMessage where
// there is none. Those who ask more than once look the stream up: Store.
func (c *Conn) FirstOf(ctx context.Context, stream, filter string) (StoredMessage, error) {
	s, err := c.Store(ctx, stream)
	if err != nil {
		return StoredMessage{}, err
	}
	return s.First(ctx, filter)
}

// AtLimit reports whether a publish was refused because the stream, or its
// subject, holds as much as it is set to: deleting makes room. Of no room for
// other reasons (disk, account, load) that isn't so.
func AtLimit(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, ErrQueueFull) && errors.As(err, &api) && limitReached(api)
}

// readStart is where reading begins: a sequence, else a time, else the first.
func readStart(config *jetstream.ConsumerConfig, from uint64, since time.Time) {
	switch {
	case from > 1:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from
	case !since.IsZero():
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	}
}

// Erase deletes one message by its sequence, and overwrites its bytes where they
// are stored; that there is none is success.
func (s *Store) Erase(ctx context.Context, sequence uint64) error {
	err := s.stream.SecureDeleteMsg(ctx, sequence)
	if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if _, gone := s.Get(ctx, sequence); errors.Is(gone, ErrNoMessage) {
		return nil
	}
	return fmt.Errorf("erasing message %d of %s: %w: %w", sequence, s.name, ErrUnavailable, err)
}
