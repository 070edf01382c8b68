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
	// withhold: what is there was never read, and can't be made private.
	withhold bool
}

// placesOf are where something may be stored of a destination. Records that
// could not be read stand for none of a tenant's destinations; those that have
// none yet will pass the rules of whoever gets them.
func placesOf(id destination.ID) []place {
	return []place{
		{stream: queue.StreamHeld, filter: queue.HeldSubject(id.Tenant, id.Name)},
		{stream: queue.StreamHeldHosts, filter: queue.HeldHostSubject("*", id.Tenant, id.Name)},
		{stream: queue.StreamDead, filter: queue.DeadFilter(id.Tenant, id.Name, "")},
		{stream: queue.StreamDead, filter: queue.DeadFilter(id.Tenant, queue.NoToken, string(outcome.Malformed)), withhold: true},
	}
}

// scan goes once through the places of a destination.
type scan struct {
	conn    *queue.Conn
	letters *deadletter.Writer
	rules   privacy.Rules
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
	if s.asItShouldBe(p, e) {
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
	if p.withhold {
		e.Withhold()
	} else {
		privacy.Renew(e, s.rules)
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
func (s *scan) asItShouldBe(p place, e *envelope.Envelope) bool {
	return !e.Replayable() || !p.withhold && s.rules.Current(e.Rules)
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
		err = s.letter(ctx, m, from)
	} else {
		_, _, name, _ := queue.ParseHeldSubject(m.Subject)
		err = s.conn.Publish(ctx, queue.Message{
			Subject: m.Subject, ID: envelope.MoveID(from, name), Header: m.envelope.Headers(), Body: m.envelope.Body,
		})
	}
	if err != nil {
		return fmt.Errorf("rewriting message %d of %s: %w", m.Sequence, p.stream, err)
	}
	return store.Delete(ctx, m.Sequence)
}

func (s *scan) letter(ctx context.Context, m *stored, from envelope.Source) error {
	tenant, name, reason, _ := queue.ParseDeadSubject(m.Subject)
	_, err := s.letters.Write(ctx, deadletter.Letter{
		Tenant: tenant, Destination: name, Reason: outcome.DeadReason(reason), Envelope: *m.envelope, From: from,
	})
	return err
}
