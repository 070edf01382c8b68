package replay

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/queue"
)

// quota keeps a replay from filling a destination's held subject, whose room
// fresh records of an outage need. It is for many goroutines.
type quota struct {
	held  Held
	limit int64 // messages of a destination, whoever put them there; ≤ 0: none
	poll  time.Duration

	mu    sync.Mutex
	rooms map[string]*room // by held subject
}

// room is what is known of one held subject.
type room struct {
	left   int64     // that may be taken before it is counted again
	moving int64     // taken, and not known to be stored
	full   time.Time // when there was none left, by a count or by a refusal
}

const (
	// countEach is how many messages are taken on one count of the server's, in
	// which others may have come.
	countEach = 100
	// maxRooms bounds what is remembered; forgotten, a room is counted again.
	maxRooms = 10_000
)

// errNoRoom says that a destination has to be drained first.
var errNoRoom = errors.New("no room")

func newQuota(held Held, limit int64, poll time.Duration) *quota {
	return &quota{held: held, limit: limit, poll: poll, rooms: map[string]*room{}}
}

// take takes room for one message, or says errNoRoom. Give it back with stored.
func (q *quota) take(ctx context.Context, subject string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.room(subject)
	if r.left <= 0 && time.Since(r.full) > q.poll {
		if err := q.ask(ctx, subject, r); err != nil {
			return err
		}
	}
	if r.left <= 0 {
		return errNoRoom
	}
	r.left--
	r.moving++
	return nil
}

// ask counts what the subject has. What is on its way may be counted already;
// better so than not at all.
func (q *quota) ask(ctx context.Context, subject string, r *room) error {
	if q.limit <= 0 {
		r.left = countEach
		return nil
	}
	counts, err := q.held.CountBySubject(ctx, queue.StreamHeld, subject)
	if err != nil {
		return err
	}
	free := q.limit - int64(counts[subject]) - r.moving //nolint:gosec // no stream has 2⁶³ messages
	if r.left = min(free, countEach); free <= 0 {
		r.full = time.Now()
	}
	return nil
}

func (q *quota) room(subject string) *room {
	if r := q.rooms[subject]; r != nil {
		return r
	}
	if len(q.rooms) >= maxRooms {
		maps.DeleteFunc(q.rooms, func(_ string, r *room) bool { return r.moving == 0 })
	}
	r := &room{}
	q.rooms[subject] = r
	return r
}

// stored says that a message that was taken room for is stored, or was given up.
func (q *quota) stored(subject string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r := q.rooms[subject]; r != nil && r.moving > 0 {
		r.moving--
	}
}

// refused says that the server itself found no room.
func (q *quota) refused(subject string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.room(subject)
	r.left, r.full = 0, time.Now()
}
