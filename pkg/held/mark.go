package held

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/outcome"
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
	// suspectAfter deaths in a row what is held is handled in groups of groupSize.
	suspectAfter = 2
	groupSize    = 64
	// crashesAfter deaths in a row with the same record alone in hand it is not
	// looked at any more. Workers die of other things: of one death in three
	// while such a record is in hand, five in a row are one in 243.
	crashesAfter = 5
	markPrefix   = "_drain."
	markLimit    = 5 * time.Second
	markTries    = 4
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

// judge draws from a death what is suspected.
func (m *mark) judge(ctx context.Context, left *marked) error {
	left.Deaths++
	m.keeper.log.Warn("a worker did not end its turn at held work",
		zap.String("subject", m.held), zap.String("worker", left.Holder), zap.Int("in_a_row", left.Deaths),
		zap.Uint64("from", left.From), zap.Uint64("to", left.To), zap.Bool("alone", left.Alone))
	switch {
	case left.Alone && left.From == left.Suspect:
		left.Victims = append(left.Victims, left.Holder)
	case left.Alone:
		left.Suspect, left.Victims = left.From, []string{left.Holder}
	case left.Deaths < suspectAfter:
	case left.From != 0:
		left.Size, left.Last = 1, left.To
	case left.Size == 0:
		last, err := m.keeper.Conn.Reached(ctx, m.held)
		if err != nil {
			return err
		}
		left.Size, left.Last = groupSize, last
	}
	return nil
}

// condemn makes a dead letter of a record that has killed enough workers. It is
// not looked at.
func (m *mark) condemn(ctx context.Context, left *marked) error {
	if len(left.Victims) < crashesAfter {
		return nil
	}
	store, err := m.keeper.Conn.Store(ctx, queue.StreamOfHeld(m.held))
	if err != nil {
		return err
	}
	guilty, err := store.Get(ctx, left.Suspect)
	switch {
	case errors.Is(err, queue.ErrNoMessage):
	case err != nil:
		return err
	default:
		m.keeper.log.Error("a held record has killed workers one after another, each with nothing else in hand; it is a dead letter: crashes_worker",
			zap.String("subject", guilty.Subject), zap.Uint64("sequence", guilty.Sequence), zap.Strings("workers", left.Victims))
		if !m.keeper.Deliverer.BuryStored(ctx, guilty, outcome.CrashesWorker) {
			return fmt.Errorf("held record %d of %s crashes workers: its dead letter could not be stored", guilty.Sequence, guilty.Subject)
		}
	}
	m.buried = left.Suspect
	*left = marked{}
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

func markKey(held string) string { return markPrefix + queue.HostToken(held) }

// encode makes an array: those who look for states in the bucket, builds before
// this one among them, take it for none.
func (m marked) encode() []byte {
	value, err := json.Marshal([]marked{m})
	if err != nil {
		panic(err) // numbers and strings
	}
	return value
}

// decodeMark reads a mark; another version's is none.
func decodeMark(value []byte) marked {
	var all []marked
	if json.Unmarshal(value, &all) != nil || len(all) != 1 {
		return marked{}
	}
	return all[0]
}

// marks is the bucket that they are in, looked up once.
func (k *Keeper) marks(ctx context.Context) (*queue.Bucket, error) {
	if bucket := k.bucket.Load(); bucket != nil {
		return bucket, nil
	}
	bucket, err := k.Conn.Bucket(ctx, queue.BucketState)
	if err != nil {
		return nil, err
	}
	k.bucket.Store(bucket)
	return bucket, nil
}

// closeMark takes this process out of a subject's mark: as its holder, and as a
// victim, since it lives.
func (k *Keeper) closeMark(ctx context.Context, held string) error {
	bucket, err := k.marks(ctx)
	if err != nil {
		return err
	}
	for range markTries {
		if err = k.leaveMark(ctx, bucket, markKey(held)); !errors.Is(err, queue.ErrConflict) {
			return err
		}
	}
	return err
}

func (k *Keeper) leaveMark(ctx context.Context, bucket *queue.Bucket, key string) error {
	found, err := bucket.Get(ctx, key)
	if err != nil || found.Deleted {
		return err
	}
	left := decodeMark(found.Value)
	holds, dead := left.Holder == k.instance, slices.Contains(left.Victims, k.instance)
	switch {
	case dead:
		left.Victims = slices.DeleteFunc(left.Victims, func(v string) bool { return v == k.instance })
	case !holds:
		return nil
	}
	if holds {
		left.Holder, left.Wake, left.From, left.To, left.Alone = "", 0, 0, 0, false
	}
	if left.Holder == "" && left.Size == 0 {
		return bucket.Delete(ctx, key, found.Revision)
	}
	_, err = bucket.Put(ctx, key, left.encode(), found.Revision)
	return err
}

func (k *Keeper) forgetUnclosed(held string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.unclosed, held)
}

// closeMarks says of turns that they have ended where that could not be said
// before.
func (k *Keeper) closeMarks(ctx context.Context) error {
	k.mu.Lock()
	var due []string
	for held := range k.unclosed {
		if !k.active[held] {
			due = append(due, held)
		}
	}
	k.mu.Unlock()
	for _, held := range due {
		if err := k.closeMark(ctx, held); err != nil {
			return err
		}
		k.forgetUnclosed(held)
	}
	return nil
}
