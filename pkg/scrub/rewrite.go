package scrub

import (
	"context"
	"errors"
	"fmt"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
)

// place is a part of a stream that a scrub goes through.
type place struct {
	stream, filter string
	// shared: what is there stands for none of the tenant's destinations, and so
	// for each of them.
	shared bool
}

// placesOf are where something may be stored of a destination: under its name,
// and under none, since it could not be read or there was nobody to get it.
func placesOf(id destination.ID) []place {
	return []place{
		{stream: queue.StreamHeld, filter: queue.HeldSubject(id.Tenant, id.Name)},
		{stream: queue.StreamHeldHosts, filter: queue.HeldHostSubject("*", id.Tenant, id.Name)},
		{stream: queue.StreamDead, filter: queue.DeadFilter(id.Tenant, id.Name, "")},
		{stream: queue.StreamHeld, filter: queue.HeldSubject(id.Tenant, queue.NoToken), shared: true},
		{stream: queue.StreamHeldHosts, filter: queue.HeldHostSubject("*", id.Tenant, queue.NoToken), shared: true},
		{stream: queue.StreamDead, filter: queue.DeadFilter(id.Tenant, queue.NoToken, ""), shared: true},
	}
}

// scan goes once through the places of a destination.
type scan struct {
	conn    *queue.Conn
	letters *deadletter.Writer
	rules   privacy.Rules // of the destination
	shared  privacy.Rules // of all of its tenant's
	tally   *Tally
	// step is called after each message; an error ends the scan.
	step func() error
}

// through looks at what a place holds from a sequence on, and rewrites what the
// rules of the day would have kept otherwise. It returns the sequence to go on
// from.
func (s *scan) through(ctx context.Context, p place, from uint64) (uint64, error) {
	store, err := s.conn.Store(ctx, p.stream)
	if err != nil {
		return from, err
	}
	next := from
	look := func(m queue.StoredMessage) error {
		next = m.Sequence + 1
		s.tally.Looked++
		if err := s.message(ctx, store, p, m); err != nil {
			return err
		}
		return s.step()
	}
	if p.stream == queue.StreamDead {
		err = store.Read(ctx, queue.ReadParams{Subject: p.filter, From: from, HeadersOnly: true}, look)
	} else {
		err = store.Scan(ctx, queue.ScanParams{Filter: p.filter, From: from}, look)
	}
	return next, err
}

// message rewrites one message where it has to be.
func (s *scan) message(ctx context.Context, store *queue.Store, p place, m queue.StoredMessage) error {
	e, err := envelope.Parse(m.Header, nil)
	if err != nil {
		s.tally.Foreign++
		return nil
	}
	if s.asItShouldBe(p, m, e) {
		return nil
	}
	whole, err := store.Get(ctx, m.Sequence)
	if errors.Is(err, queue.ErrNoMessage) {
		return nil // it has been delivered, or replayed
	}
	if err != nil {
		return err
	}
	if e, err = envelope.Parse(whole.Header, whole.Body); err != nil {
		s.tally.Foreign++
		return nil
	}
	if withheld(p, m) {
		e.Withhold()
	} else {
		privacy.Renew(e, s.rulesFor(p))
	}
	if err := s.replace(ctx, store, p, &stored{whole, e}); err != nil {
		return err
	}
	s.tally.Rewritten++
	if !e.Replayable() {
		s.tally.Withheld++
	}
	return nil
}

// asItShouldBe judges by the headers alone.
func (s *scan) asItShouldBe(p place, m queue.StoredMessage, e *envelope.Envelope) bool {
	return !e.Replayable() || !withheld(p, m) && s.rulesFor(p).Current(e.Rules)
}

func (s *scan) rulesFor(p place) privacy.Rules {
	if p.shared {
		return s.shared
	}
	return s.rules
}

// withheld: what was never read can't be made private, nor is looked at what
// workers may die of.
func withheld(p place, m queue.StoredMessage) bool {
	_, _, reason, _ := queue.ParseDeadSubject(m.Subject)
	return p.shared && (reason == string(outcome.Malformed) || reason == string(outcome.CrashesWorker))
}

// stored is a message with its envelope as it should be.
type stored struct {
	queue.StoredMessage
	envelope *envelope.Envelope
}

// replace stores the new form, and only then deletes the old one. The new one's
// id is that of any move of the old one: a worker that has this in hand, and
// holds it anew, makes no second copy, nor does a scrub that is run again.
func (s *scan) replace(ctx context.Context, store *queue.Store, p place, m *stored) error {
	from := envelope.Source{Stream: p.stream, Sequence: m.Sequence, Time: m.Time}
	var err error
	if p.stream == queue.StreamDead {
		_, _, reason, _ := queue.ParseDeadSubject(m.Subject)
		err = s.letter(ctx, m, from, outcome.DeadReason(reason))
	} else {
		err = s.held(ctx, m, from)
	}
	if err != nil {
		return fmt.Errorf("rewriting message %d of %s: %w", m.Sequence, p.stream, err)
	}
	return store.Delete(ctx, m.Sequence)
}

// held holds a branch anew. One that finds no room beside its old form is a dead
// letter, as any other; its old form makes room for the next. So is what can be
// routed no more, since it can't be read.
func (s *scan) held(ctx context.Context, m *stored, from envelope.Source) error {
	_, _, name, _ := queue.ParseHeldSubject(m.Subject)
	if name == queue.NoToken && !m.envelope.Replayable() {
		return s.letter(ctx, m, from, outcome.Malformed)
	}
	err := s.conn.Publish(ctx, queue.Message{
		Subject: m.Subject, ID: envelope.MoveID(from, name), Header: m.envelope.Headers(), Body: m.envelope.Body,
	})
	if errors.Is(err, queue.ErrQueueFull) {
		return s.letter(ctx, m, from, outcome.HeldFull)
	}
	return err
}

func (s *scan) letter(ctx context.Context, m *stored, from envelope.Source, reason outcome.DeadReason) error {
	tenant, name, _, ok := queue.ParseDeadSubject(m.Subject)
	if !ok {
		_, tenant, name, _ = queue.ParseHeldSubject(m.Subject)
	}
	if name == queue.NoToken {
		name = ""
	}
	_, err := s.letters.Write(ctx, deadletter.Letter{
		Tenant: tenant, Destination: name, Reason: reason, Envelope: *m.envelope, From: from,
	})
	return err
}
