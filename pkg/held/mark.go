package held

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/queue"
)

// A mark says who handles what of a held subject, and is written before that is
// begun: a holder that dies leaves it behind, and whoever is given its wake-up
// next finds it. It costs two small writes a turn that handles anything; more
// only while deaths are being looked into.
//
//	a turn dies ─▶ the same again ─▶ dies ─▶ groups of 64 ─▶ dies ─▶ that group,
//	one by one, each alone in its process ─▶ five die in a row with the same
//	one in hand ─▶ it is a dead letter, crashes_worker
//
// A turn that ends by itself, for whatever reason, is no death; nor is a lease
// that was lost: its holder takes back what was counted for it.
type mark struct {
	keeper   *Keeper
	held     string
	wake     uint64 // sequence of the wake-up
	open     bool
	revision uint64
	now      marked
	buried   uint64 // sequence of the record that was found guilty when the mark was opened
}

// marked is a mark as it is stored.
type marked struct {
	// Holder is the process that has it open; "" where nobody has, and suspects
	// are left.
	Holder string `json:"holder,omitempty"`
	// Wake is the wake-up that the holder has in hand: with the same in another's
	// hand its lease is over.
	Wake uint64 `json:"wake,omitempty"`
	// From, To are the sequences in hand; 0: any of the subject.
	From uint64 `json:"from,omitempty"`
	To   uint64 `json:"to,omitempty"`
	// Alone: the process had nothing else in hand.
	Alone bool `json:"alone,omitempty"`
	// Deaths are the turns in a row that did not end.
	Deaths int `json:"deaths,omitempty"`
	// Size is how many are handled at once; 0: there is no suspicion.
	Size int `json:"size,omitempty"`
	// Last is the last suspect.
	Last uint64 `json:"last,omitempty"`
	// Suspect is the record that Victims have died with, one after another.
	Suspect uint64   `json:"suspect,omitempty"`
	Victims []string `json:"victims,omitempty"`
}

const (
	markPrefix = "_drain."
	markLimit  = 5 * time.Second
	markTries  = 4
)

var errMarked = errors.New("others take turns at it at the same time")

// begin opens the mark over what is to be handled: from and to are sequences, 0
// for all that is held. What a dead predecessor has left is judged.
func (m *mark) begin(ctx context.Context, from, to uint64) error {
	switch {
	case m.open && m.now.From == from && m.now.To == to:
		return nil
	case m.open:
		return m.hold(ctx, from, to, false)
	}
	bucket, err := m.keeper.marks(ctx)
	if err != nil {
		return err
	}
	m.keeper.forgetUnclosed(m.held)
	for range markTries {
		m.now = m.mine(from, to)
		m.revision, err = bucket.Put(ctx, m.key(), m.now.encode(), 0)
		if !errors.Is(err, queue.ErrConflict) {
			break
		}
		found, err := bucket.Get(ctx, m.key())
		if err != nil {
			return err
		}
		if found.Deleted {
			continue
		}
		return m.succeed(ctx, bucket, found, m.now)
	}
	m.open = err == nil
	return err
}

// succeed takes over a mark that somebody has left.
func (m *mark) succeed(ctx context.Context, bucket *queue.Bucket, found queue.Entry, mine marked) error {
	left := decodeMark(found.Value)
	died := left.Holder != "" && left.Holder != mine.Holder && left.Wake == m.wake
	if died {
		if err := m.judge(ctx, &left); err != nil {
			return err
		}
	}
	if err := m.condemn(ctx, &left); err != nil {
		return err
	}
	left.Holder, left.Wake, left.From, left.To, left.Alone = mine.Holder, mine.Wake, mine.From, mine.To, false
	revision, err := bucket.Put(ctx, m.key(), left.encode(), found.Revision)
	if errors.Is(err, queue.ErrConflict) {
		return errMarked
	}
	if err != nil {
		return err
	}
	m.open, m.revision, m.now = true, revision, left
	if died || m.careful() {
		// What the dead had in hand is to come first, and now.
		return m.keeper.Conn.EndDrain(ctx, m.held)
	}
	return nil
}

// hold writes what is taken in hand next.
func (m *mark) hold(ctx context.Context, from, to uint64, alone bool) error {
	next := m.now
	next.From, next.To, next.Alone = from, to, alone
	return m.put(ctx, next)
}

// survived notes that what was in hand has killed nobody.
func (m *mark) survived() {
	if m.now.Alone && m.now.From == m.now.Suspect {
		m.now.Suspect, m.now.Victims = 0, nil
	}
	m.now.From, m.now.To, m.now.Alone = 0, 0, false
}

// clear ends the suspicion: all suspects have been handled.
func (m *mark) clear(ctx context.Context) error { return m.put(ctx, m.mine(0, 0)) }

// careful reports whether somebody has died of what is held, or may have.
func (m *mark) careful() bool { return m.now.Size > 0 }

func (m *mark) put(ctx context.Context, next marked) error {
	bucket, err := m.keeper.marks(ctx)
	if err != nil {
		return err
	}
	revision, err := bucket.Put(ctx, m.key(), next.encode(), m.revision)
	if errors.Is(err, queue.ErrConflict) {
		return errMarked
	}
	if err != nil {
		return err
	}
	m.revision, m.now = revision, next
	return nil
}

// close says that the turn has ended by itself. Where that can't be said now,
// the sweep says so.
func (m *mark) close(ctx context.Context) {
	if !m.open {
		return
	}
	m.open = false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markLimit)
	defer cancel()
	if m.leave(ctx) == nil {
		return
	}
	if err := m.keeper.closeMark(ctx, m.held); err != nil {
		m.keeper.log.Debug("the end of a turn was not noted; trying again", zap.String("subject", m.held), zap.Error(err))
		m.keeper.mu.Lock()
		defer m.keeper.mu.Unlock()
		m.keeper.unclosed[m.held] = struct{}{}
	}
}

// leave closes a mark that nobody else has taken over.
func (m *mark) leave(ctx context.Context) error {
	bucket, err := m.keeper.marks(ctx)
	if err != nil {
		return err
	}
	if !m.careful() {
		return bucket.Delete(ctx, m.key(), m.revision)
	}
	left := m.now
	left.Holder, left.Wake, left.From, left.To, left.Alone = "", 0, 0, 0, false
	return m.put(ctx, left)
}

func (m *mark) key() string { return markKey(m.held) }

func (m *mark) mine(from, to uint64) marked {
	return marked{Holder: m.keeper.instance, Wake: m.wake, From: from, To: to}
}
