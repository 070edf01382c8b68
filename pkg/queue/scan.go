package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ScanParams say what to scan.
type ScanParams struct {
	Filter string // of subjects, wildcards allowed
	From   uint64 // sequence to begin with; 0: the first
	Last   uint64 // sequence to end with; 0: the newest of now
}

const (
	// One question is answered by so many messages, or by the one with which
	// they come to so many bytes.
	scanBatch = 500
	scanBytes = 8 << 20
	// scanWait is how long the next message of an answer may take, and scanTries
	// how often a question is asked again whose answer broke off.
	scanWait  = 5 * time.Second
	scanTries = 5
)

// scanQuestion is JetStream's direct get of many.
type scanQuestion struct {
	Sequence uint64 `json:"seq"`
	Filter   string `json:"next_by_subj"`
	Batch    int    `json:"batch"`
	MaxBytes int    `json:"max_bytes"`
}

// Scan calls use with each message that matches, oldest first. It reads beside
// the stream's consumers, of which it is none, so that it works on work queues,
// too, and disturbs nobody; messages that others settle meanwhile are left out.
// use may delete what it is given, and may return ErrStop.
func (s *Store) Scan(ctx context.Context, p ScanParams, use func(StoredMessage) error) error {
	if p.Last == 0 {
		state, err := s.State(ctx)
		if err != nil {
			return err
		}
		p.Last = state.LastSequence
	}
	next, tries := max(p.From, 1), 0
	for next <= p.Last {
		a := scanAnswer{next: next, last: p.Last, use: use}
		err := s.scanSome(ctx, p.Filter, &a)
		switch {
		case errors.Is(err, ErrStop):
			return nil
		case errors.Is(err, errBrokenOff) && (a.next > next || tries < scanTries):
			if tries++; a.next > next {
				tries = 0
			}
		case err != nil:
			return fmt.Errorf("reading %s of %s: %w", p.Filter, s.name, err)
		case a.over:
			return nil
		default:
			tries = 0
		}
		next = a.next
	}
	return nil
}

// errBrokenOff: the rest of an answer did not come.
var errBrokenOff = fmt.Errorf("%w: an answer broke off", ErrUnavailable)

func (s *Store) scanSome(ctx context.Context, filter string, a *scanAnswer) error {
	body, err := json.Marshal(scanQuestion{a.next, filter, scanBatch, scanBytes})
	if err != nil {
		return err
	}
	inbox := s.conn.NATS.NewInbox()
	replies, err := s.conn.NATS.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = replies.Unsubscribe() }()             // it goes with the connection
	if err := replies.SetPendingLimits(-1, -1); err != nil { // the question bounds it
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	subject := s.conn.apiPrefix() + "DIRECT.GET." + s.name
	ctx, stop := s.conn.refusals.watch(ctx, subject)
	defer stop()
	if err := s.conn.NATS.PublishRequest(subject, inbox, body); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for ended := false; !ended && err == nil; {
		ended, err = a.reply(ctx, replies)
	}
	return err
}

// scanAnswer is the answer to one question, message by message.
type scanAnswer struct {
	next uint64 // sequence to go on with
	last uint64 // sequence to end with
	over bool   // there is nothing left
	use  func(StoredMessage) error

	before uint64 // sequence of the message before, of this answer; 0: none
}

// reply takes the next reply, and reports whether it is the answer's last.
func (a *scanAnswer) reply(ctx context.Context, replies *nats.Subscription) (ended bool, err error) {
	wait, cancel := context.WithTimeout(ctx, scanWait)
	defer cancel()
	msg, err := replies.NextMsgWithContext(wait)
	switch {
	case ctx.Err() != nil:
		return true, context.Cause(ctx)
	case err != nil:
		return true, fmt.Errorf("%w: %w", errBrokenOff, err)
	case lastOf(msg.Header, jetstream.StreamHeader) == "":
		return true, a.end(msg)
	}
	return a.message(msg)
}

// lastOf is a header's last value: the server's, whatever headers of the same
// name the publisher has given the message.
func lastOf(h nats.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// lastNumber is a header's last value as a number; 0 where it is none.
func lastNumber(h nats.Header, name string) uint64 {
	n, err := strconv.ParseUint(lastOf(h, name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Statuses of a reply that is no message.
const (
	statusEnd          = "204" // of a batch
	statusNone         = "404"
	statusNoResponders = "503"
)

func (a *scanAnswer) end(msg *nats.Msg) error {
	switch status := msg.Header.Get("Status"); status {
	case statusEnd:
		if lastNumber(msg.Header, headerLastSequence) != a.before {
			return errBrokenOff
		}
		a.over = lastNumber(msg.Header, headerNumPending) == 0
		return nil
	case statusNone:
		a.over = true
		return nil
	case statusNoResponders:
		return fmt.Errorf("%w: nobody serves direct reads of the stream", ErrUnavailable)
	default:
		return fmt.Errorf("%w: status %q: %s", ErrUnavailable, status, msg.Header.Get("Description"))
	}
}

// Headers of direct reads for which nats.go has no name.
const (
	headerNumPending   = "Nats-Num-Pending"
	headerLastSequence = "Nats-Last-Sequence"
)

func (a *scanAnswer) message(msg *nats.Msg) (ended bool, err error) {
	sequence := lastNumber(msg.Header, jetstream.SequenceHeader)
	at, err := time.Parse(time.RFC3339Nano, lastOf(msg.Header, jetstream.TimeStampHeaer))
	switch {
	case err != nil || sequence < a.next:
		return true, fmt.Errorf("%w: a message without sequence or time", ErrUnavailable)
	case lastNumber(msg.Header, headerLastSequence) != a.before:
		return true, errBrokenOff // one was lost on its way
	case sequence > a.last:
		a.over = true
		return true, nil
	}
	a.before, a.next = sequence, sequence+1
	return false, a.use(StoredMessage{
		Subject: lastOf(msg.Header, jetstream.SubjectHeader), Sequence: sequence, Time: at,
		Header: msg.Header, Body: msg.Data, Size: len(msg.Data),
	})
}
