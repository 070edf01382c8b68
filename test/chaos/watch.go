package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/chaos/oracle"
)

// backlog is what is under way, as JetStream counts it.
type backlog struct {
	Waiting, InHand      uint64 // of the generations
	Held, HeldHosts      uint64
	Wakeups, DeadLetters uint64
}

func (b backlog) drained() bool { return b.Waiting+b.InHand+b.Held+b.HeldHosts == 0 }

func (b backlog) String() string {
	return fmt.Sprintf("%d waiting, %d in hand, %d held, %d held by host, %d wake-ups, %d dead letters",
		b.Waiting, b.InHand, b.Held, b.HeldHosts, b.Wakeups, b.DeadLetters)
}

// generations are the streams of generation records while there are so many
// shards.
func generations(shards int) []string {
	all := []string{queue.StreamGenerations}
	for n := 0; shards > 1 && n < shards; n++ {
		all = append(all, queue.ShardStream(n))
	}
	return all
}

// look asks for the backlog.
func look(ctx context.Context, js jetstream.JetStream, shards int) (backlog, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var b backlog
	for _, stream := range generations(shards) {
		consumer, err := js.Consumer(ctx, stream, queue.ConsumerWorkers)
		if err != nil {
			return backlog{}, fmt.Errorf("asking for the consumer of %s: %w", stream, err)
		}
		b.InHand += uint64(consumer.CachedInfo().NumAckPending) //nolint:gosec // never negative
		waiting, err := messages(ctx, js, stream)
		if err != nil {
			return backlog{}, err
		}
		b.Waiting += waiting
	}
	for name, to := range map[string]*uint64{
		queue.StreamHeld: &b.Held, queue.StreamHeldHosts: &b.HeldHosts,
		queue.StreamWakeups: &b.Wakeups, queue.StreamDead: &b.DeadLetters,
	} {
		var err error
		if *to, err = messages(ctx, js, name); err != nil {
			return backlog{}, err
		}
	}
	return b, nil
}

func messages(ctx context.Context, js jetstream.JetStream, name string) (uint64, error) {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("asking for %s: %w", name, err)
	}
	return stream.CachedInfo().State.Msgs, nil
}

// calmLooks in a row have to see nothing under way: one may be answered by a
// leader that has not caught up.
const calmLooks = 3

// drain waits until nothing is under way, and returns the last that it saw.
func (r *run) drain(ctx context.Context) (backlog, bool) {
	var last backlog
	calm := 0
	ok := poll(ctx, 500*time.Millisecond, func() bool {
		b, err := look(ctx, r.js, r.shards)
		if err != nil {
			return false
		}
		if b != last {
			r.tell("%s", b)
		}
		last = b
		if calm++; !b.drained() {
			calm = 0
		}
		return calm >= calmLooks
	})
	return last, ok
}

// readLetters tells the oracle every dead letter.
func readLetters(ctx context.Context, js jetstream.JetStream, o *oracle.Oracle) error {
	stream, err := js.Stream(ctx, queue.StreamDead)
	if err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	left := stream.CachedInfo().State.Msgs
	reader, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	for left > 0 {
		batch, err := reader.Fetch(int(min(left, 500)), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return fmt.Errorf("reading dead letters: %w", err)
		}
		got := uint64(0)
		for m := range batch.Messages() {
			got++
			if err := readLetter(m, o); err != nil {
				return err
			}
		}
		left -= min(got, left)
		// A consumer that has just been made may not be known at every node yet.
		unknown := errors.Is(batch.Error(), nats.ErrNoResponders) && pause(ctx, 200*time.Millisecond)
		if got == 0 && !unknown {
			return fmt.Errorf("reading dead letters: %d did not come: %w", left, batch.Error())
		}
	}
	return nil
}

func readLetter(m jetstream.Msg, o *oracle.Oracle) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	tenant, destination, reason, ok := queue.ParseDeadSubject(m.Subject())
	e, err := envelope.Parse(m.Headers(), m.Data())
	if err != nil || !ok {
		o.Report("unreadable", m.Subject(), "letter %d: %v", meta.Sequence.Stream, err)
		return nil
	}
	body, err := e.Record()
	if err != nil {
		o.Report("unreadable", m.Subject(), "letter %d: %v", meta.Sequence.Stream, err)
		return nil
	}
	o.Buried(&oracle.Letter{
		Sequence: meta.Sequence.Stream, Tenant: token(tenant), Destination: token(destination), Reason: reason,
		MsgID: e.MsgID, SHA256: e.SHA256, Body: body, Detail: e.Detail,
	})
	return nil
}

func token(s string) string {
	if s == "" {
		return queue.NoToken
	}
	return s
}

// leftover is a message that is still in a stream where none should be.
type leftover struct {
	Stream, Subject, MsgID, RecordID string
	Sequence                         uint64
	Reason                           string
	Age                              time.Duration
}

func (l leftover) String() string {
	return fmt.Sprintf("%s %d %s, message id %q, record %q, reason %q, %s old",
		l.Stream, l.Sequence, l.Subject, l.MsgID, l.RecordID, l.Reason, l.Age.Round(time.Second))
}

// leftovers lists at most limit messages of a stream, without consuming them.
func leftovers(ctx context.Context, js jetstream.JetStream, name string, limit int) ([]leftover, error) {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	var all []leftover
	for next := max(stream.CachedInfo().State.FirstSeq, 1); len(all) < limit; next++ {
		m, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return all, nil
		}
		if err != nil {
			return all, fmt.Errorf("reading %s: %w", name, err)
		}
		next = m.Sequence
		id := m.Header.Get(envelope.HeaderMsgID)
		if id == "" {
			id = m.Header.Get(jetstream.MsgIDHeader)
		}
		all = append(all, leftover{
			Stream: name, Subject: m.Subject, MsgID: id, RecordID: m.Header.Get(envelope.HeaderRecordID),
			Sequence: m.Sequence, Reason: m.Header.Get(envelope.HeaderReason), Age: time.Since(m.Time),
		})
	}
	return all, nil
}
