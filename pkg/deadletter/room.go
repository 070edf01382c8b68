package deadletter

import (
	"context"
	"errors"

	"github.com/hogcast/hogcast/pkg/queue"
)

// Discard is one letter that was deleted to make room for another of its
// destination.
type Discard struct {
	Key
	Sequence uint64
}

const (
	// roomRounds are the times that room is made for one letter: first one
	// letter goes, which is enough for a subject's limit, then its own size, for
	// the stream's limit in bytes.
	roomRounds = 3
	// maxDiscards bounds what goes in one round.
	maxDiscards = 64
)

// publish publishes, and makes room where a limit is reached. No room for
// another reason (disk, quorum) is not mended by deleting.
func (w *Writer) publish(ctx context.Context, l Letter, m queue.Message) error {
	err := w.queue.Publish(ctx, m)
	if !queue.AtLimit(err) {
		return err
	}
	// One after another: side by side they would delete one and the same letter,
	// and find no room all the same.
	w.room.Lock()
	defer w.room.Unlock()
	for round := 0; round < roomRounds && queue.AtLimit(err); round++ {
		need := 0
		if round > 0 {
			need = len(m.Body)
		}
		made, failed := w.makeRoom(ctx, l, m.Subject, need)
		if failed != nil {
			return errors.Join(err, failed)
		}
		if !made {
			return err
		}
		err = w.queue.Publish(ctx, m)
	}
	return err
}

// makeRoom deletes the oldest letters of the subject, else of its destination,
// else of its tenant, until they are need bytes, but at least one. A tenant that
// has none takes the room from whoever has the most letters: nobody may fill the
// stream for all. It reports whether there was one.
func (w *Writer) makeRoom(ctx context.Context, l Letter, subject string, need int) (made bool, err error) {
	freed := 0
	for n := 0; n < maxDiscards && (n == 0 || freed < need); n++ {
		oldest, err := w.oldest(ctx, subject, queue.DeadFilter(Token(l.Tenant), Token(l.Destination), ""), queue.DeadFilter(Token(l.Tenant), "", ""))
		if errors.Is(err, queue.ErrNoMessage) {
			oldest, err = w.oldestOfMost(ctx)
		}
		if errors.Is(err, queue.ErrNoMessage) {
			return made, nil
		}
		if err != nil {
			return made, err
		}
		if err := w.queue.Delete(ctx, queue.StreamDead, oldest.Sequence); err != nil {
			return made, err
		}
		made = true
		freed += oldest.Size
		if key, err := parseKey(oldest.Subject); err == nil {
			w.discarded(Discard{key, oldest.Sequence})
		}
	}
	return made, nil
}

// oldestOfMost reads the oldest letter of the subject that has the most.
func (w *Writer) oldestOfMost(ctx context.Context) (queue.StoredMessage, error) {
	counts, err := w.queue.CountBySubject(ctx, queue.StreamDead, queue.DeadFilter("", "", ""))
	if err != nil {
		return queue.StoredMessage{}, err
	}
	most := ""
	for subject, n := range counts {
		if most == "" || n > counts[most] || n == counts[most] && subject < most {
			most = subject
		}
	}
	if most == "" {
		return queue.StoredMessage{}, queue.ErrNoMessage
	}
	return w.queue.FirstOf(ctx, queue.StreamDead, most)
}

// oldest reads the first letter of the first filter that has one.
func (w *Writer) oldest(ctx context.Context, filters ...string) (m queue.StoredMessage, err error) {
	for _, filter := range filters {
		if m, err = w.queue.FirstOf(ctx, queue.StreamDead, filter); !errors.Is(err, queue.ErrNoMessage) {
			return m, err
		}
	}
	return m, err
}
