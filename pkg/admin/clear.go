package admin

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
)

const (
	clearPull = 256
	clearWait = 300 * time.Millisecond
	// clearAtOnce bounds the branches on their way: each may be of max_payload.
	clearAtOnce  = 16
	clearWindow  = 64 << 20 // bytes
	clearTimeout = 30 * time.Second
	clearAgain   = time.Second
	// clearLooks is how many looks in a row have to find nothing: workers that
	// have not learned yet that it is deleted hold some more for it.
	clearLooks = 3
)

// mover moves what is held for a destination that is deleted to another of its
// tenant. It takes its turns with workers at the same consumer, so that nothing
// is in two hands.
type mover struct {
	d       *Destinations
	from    destination.ID
	to      *destination.Destination
	letters *deadletter.Writer
	moved   atomic.Uint64
	buried  atomic.Uint64 // could not be made private for the other
}

// move moves everything, and returns when nothing more is found.
func (d *Destinations) move(ctx context.Context, p DeleteParams, to *destination.Destination) error {
	most, err := d.held(ctx, p.ID)
	if err != nil {
		return err
	}
	m := &mover{d: d, from: p.ID, to: to, letters: deadletter.NewWriter(d.Conn, int(d.Conn.NATS.MaxPayload()))}
	progress := func() {
		if done := m.moved.Load() + m.buried.Load(); p.Progress != nil {
			p.Progress(done, max(most, done))
		}
	}
	err = errors.Join(m.own(ctx, progress), m.ofHosts(ctx, progress))
	if n := m.moved.Load(); n > 0 {
		err = errors.Join(err, m.told(ctx, n))
	}
	return err
}

func (m *mover) told(ctx context.Context, n uint64) error {
	err := m.d.note(ctx, audit.Record{
		Action: audit.HeldMoved, Tenant: m.from.Tenant, Destination: m.from.Name, Note: branches(n) + " moved to " + m.to.Name,
	})
	fmt.Fprintf(m.d.Out, "%s moved to %s\n", branches(n), m.to.ID)
	if n := m.buried.Load(); n > 0 {
		fmt.Fprintf(m.d.Out, "%s can't be read, and so not be made private for %s: they are dead letters now\n", branches(n), m.to.ID)
	}
	return err
}

// own moves what is in the destination's own line.
func (m *mover) own(ctx context.Context, progress func()) error {
	window := queue.NewWindow(clearWindow)
	hand := queue.NewHand(window, 0, nil)
	ctx, cancel := context.WithCancel(ctx)
	beating := make(chan struct{})
	go func() { defer close(beating); hand.Heartbeats(ctx) }()
	defer func() { cancel(); <-beating }()
	subject := queue.HeldSubject(m.from.Tenant, m.from.Name)
	source, err := m.d.Conn.DrainSource(ctx, hand, window, subject)
	if err != nil {
		return err
	}
	for looks := 0; looks < clearLooks; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var moving errgroup.Group
		moving.SetLimit(clearAtOnce)
		n, err := source.Pull(ctx, clearPull, clearWait, func(d *queue.Delivery) {
			moving.Go(func() error { return m.settle(ctx, hand, d) })
		})
		if looks++; n > 0 {
			looks = 0
			err = errors.Join(err, moving.Wait(), m.wake(ctx))
			progress()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wake has the other's drain begin.
func (m *mover) wake(ctx context.Context) error {
	return m.d.Conn.WakeUp(ctx, queue.WakeupSubject(m.to.Tenant, m.to.Name))
}

func (m *mover) settle(ctx context.Context, hand *queue.Hand, d *queue.Delivery) error {
	e, err := envelope.Parse(d.Header, d.Data)
	if err == nil {
		err = m.one(ctx, envelope.Source{Stream: d.Stream, Sequence: d.Sequence, Time: d.Time}, e)
	}
	if err != nil {
		hand.Settle(d, queue.Again(clearAgain))
		return fmt.Errorf("moving what is held: %w", err)
	}
	hand.Settle(d, queue.Ack())
	return nil
}

// ofHosts moves what is held in the lines of hosts. It is read and deleted, since
// such a line has one consumer for all its destinations.
func (m *mover) ofHosts(ctx context.Context, progress func()) error {
	store, err := m.d.Conn.Store(ctx, queue.StreamHeldHosts)
	if err != nil {
		return err
	}
	for {
		s, err := store.First(ctx, queue.HeldHostSubject("*", m.from.Tenant, m.from.Name))
		if errors.Is(err, queue.ErrNoMessage) {
			return nil
		}
		var e *envelope.Envelope
		if err == nil {
			e, err = envelope.Parse(s.Header, s.Body)
		}
		if err == nil {
			err = m.one(ctx, envelope.Source{Stream: queue.StreamHeldHosts, Sequence: s.Sequence, Time: s.Time}, e)
		}
		if err == nil {
			err = errors.Join(store.Delete(ctx, s.Sequence), m.wake(ctx))
		}
		if err != nil {
			return fmt.Errorf("moving what is held for its host: %w", err)
		}
		progress()
	}
}

// one stores a branch for the other destination, under that one's rules. What
// can't be read can't be made private, and is a dead letter.
func (m *mover) one(ctx context.Context, from envelope.Source, e *envelope.Envelope) error {
	ctx, cancel := context.WithTimeout(ctx, clearTimeout)
	defer cancel()
	if !m.adapt(e) || !e.Fit(int(m.d.Conn.NATS.MaxPayload())) {
		_, err := m.letters.Write(ctx, deadletter.Letter{
			Tenant: m.from.Tenant, Destination: m.from.Name, Reason: outcome.DestinationDeleted, Envelope: *e, From: from,
		})
		if err == nil {
			m.buried.Add(1)
		}
		return err
	}
	err := m.d.Conn.Publish(ctx, queue.Message{
		Subject: queue.HeldSubject(m.to.Tenant, m.to.Name), ID: envelope.MoveID(from, m.to.Name), Header: e.Headers(), Body: e.Body,
	})
	if err != nil {
		return err
	}
	m.moved.Add(1)
	return nil
}

// adapt applies the other's privacy rules, and forgets what became of the branch
// at the first; false where it can't be read.
func (m *mover) adapt(e *envelope.Envelope) bool {
	raw, r, err := privacy.Decode(e)
	if err != nil || r.CheckTenant(m.from.Tenant) != nil {
		return false
	}
	next := envelope.Envelope{
		Source: e.Source, MsgID: e.MsgID, RecordID: r.ID, Rules: e.Rules, Dropped: e.Dropped,
		Traceparent: e.Traceparent, Reason: e.Reason,
	}
	privacy.Keep(&next, raw, r, privacy.RulesOf(m.to))
	*e = next
	return true
}

func (d *Destinations) rouse(ctx context.Context, id destination.ID) error {
	return d.Conn.Rouse(ctx, queue.WakeupSubject(id.Tenant, id.Name))
}
