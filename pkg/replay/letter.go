package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
)

// letter replays one letter. In this order, since a crash between any two must
// lose nothing: publish to HELD and await the ack, wake the destination, and
// only then delete the letter. What is done twice goes by the same ids.
// nil: the letter is dealt with, which may mean that it stays; else it is to be
// tried again.
func (r *run) letter(ctx context.Context, l *lane, s *deadletter.Stored) error {
	if !s.Replayable() {
		return r.stays(s, unreplayable(s))
	}
	whole, err := r.Letters.Get(ctx, s.Sequence)
	if errors.Is(err, queue.ErrNoMessage) {
		r.count(func(t *Tally) { t.Gone++ })
		return nil
	}
	if err != nil {
		return err
	}
	branches, reason := r.branches(whole, r.spec)
	if reason != "" {
		return r.stays(s, reason)
	}
	for _, b := range branches {
		err := r.send(ctx, l, s.Sequence, b)
		if errors.Is(err, queue.ErrTooLarge) {
			return r.stays(s, TooLarge)
		}
		if err != nil {
			return err
		}
	}
	if !r.spec.keeps() {
		if err := r.Letters.Drop(ctx, s.Sequence); err != nil {
			return err
		}
	}
	r.count(func(t *Tally) {
		t.Replayed++
		t.Branches += uint64(len(branches))
		for _, b := range branches {
			t.Bytes += uint64(len(b.envelope.Body))
		}
		if pastWindow(whole, r.session.job.Created) {
			t.Past++
		}
	})
	return nil
}

func unreplayable(s *deadletter.Stored) Reason {
	if s.Foreign {
		return Foreign
	}
	return NotKept
}

// stays leaves a letter where it is.
func (r *run) stays(_ *deadletter.Stored, reason Reason) error {
	r.count(func(t *Tally) { t.Skipped[reason]++ })
	return nil
}

// send puts one branch into HELD, once, and wakes its destination.
func (r *run) send(ctx context.Context, l *lane, sequence uint64, b branch) error {
	if !l.has(sequence, b.destination) {
		if err := r.publish(ctx, sequence, b); err != nil {
			return err
		}
		l.add(sequence, b.destination)
	}
	return r.Held.WakeUp(ctx, queue.WakeupSubject(b.tenant, b.destination))
}

func (r *run) publish(ctx context.Context, sequence uint64, b branch) error {
	subject := queue.HeldSubject(b.tenant, b.destination)
	if err := r.quota.take(ctx, subject); err != nil {
		return r.noRoom(b, err)
	}
	defer r.quota.stored(subject)
	err := r.Held.Publish(ctx, queue.Message{
		Subject: subject, ID: messageID(r.session.job.ID, sequence, b.destination),
		Header: b.envelope.Headers(), Body: b.envelope.Body,
	})
	if errors.Is(err, queue.ErrQueueFull) {
		r.quota.refused(subject)
		return r.noRoom(b, errNoRoom)
	}
	return err
}

// messageID names this move of this letter, whoever makes it: the one who
// resumes a job makes it by the same name. The record's own id, or the source's,
// would be answered as a duplicate of what was there before.
func messageID(job string, sequence uint64, destination string) string {
	return job + "/" + strconv.FormatUint(sequence, 10) + "/" + destination
}

// noRoom tells once what a replay waits for.
func (r *run) noRoom(b branch, err error) error {
	if errors.Is(err, errNoRoom) {
		r.notices.once(fmt.Sprintf("%s.%s: as much is held as a replay may fill (half of the destination's quota of %d, and of the stream what is free); "+
			"its letters wait until some is delivered", b.tenant, b.destination, r.HeldQuota))
	}
	return err
}

// has reports whether a letter that is not finished has been sent there.
func (l *lane) has(sequence uint64, destination string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.sent[sequence], destination)
}

func (l *lane) add(sequence uint64, destination string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[sequence] = append(l.sent[sequence], destination)
}
