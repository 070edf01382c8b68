package deadletter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/queue"
)

// Reader reads the letters that a connection sees. Any number of callers may.
type Reader struct {
	conn *queue.Conn

	mu     sync.Mutex
	opened *queue.Store
}

// NewReader makes a reader.
func NewReader(conn *queue.Conn) *Reader { return &Reader{conn: conn} }

// store looks the stream up, once.
func (r *Reader) store(ctx context.Context) (*queue.Store, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened != nil {
		return r.opened, nil
	}
	s, err := r.conn.Store(ctx, queue.StreamDead)
	if err != nil {
		return nil, err
	}
	r.opened = s
	return s, nil
}

// Each calls use with each letter that matches, oldest first. Without bodies
// their envelopes hold headers alone; with them, no body leaves the server but
// of a letter that matches, or may by what the server knows. use may return
// queue.ErrStop.
func (r *Reader) Each(ctx context.Context, f Filter, bodies bool, use func(*Stored) error) error {
	if bodies && !f.BySubject() {
		return r.Each(ctx, f, false, func(s *Stored) error { return r.withBody(ctx, s, use) })
	}
	return r.from(ctx, f, queue.ReadParams{Since: f.Since, HeadersOnly: !bodies}, use)
}

// withBody reads the letter again, whole. One that was deleted meanwhile is
// left out.
func (r *Reader) withBody(ctx context.Context, s *Stored, use func(*Stored) error) error {
	whole, err := r.Get(ctx, s.Sequence)
	switch {
	case errors.Is(err, queue.ErrNoMessage):
		return nil
	case err != nil:
		return err
	}
	return use(whole)
}

func (r *Reader) from(ctx context.Context, f Filter, p queue.ReadParams, use func(*Stored) error) error {
	store, err := r.store(ctx)
	if err != nil {
		return err
	}
	p.Subject = f.Subject()
	return store.Read(ctx, p, func(m queue.StoredMessage) error {
		s, err := parse(m)
		switch {
		case err != nil:
			return err
		case f.past(s):
			return queue.ErrStop
		case !f.matches(s):
			return nil
		}
		return use(s)
	})
}

// Page is a part of the letters that match, oldest first, without bodies.
type Page struct {
	Letters []*Stored
	Next    uint64 // where the next page begins
	Done    bool   // there is no next
}

// pageReads bounds the letters that are looked at for one page, so that a
// filter with few matches comes back in time.
const pageReads = 10_000

// Page reads the next limit letters from a sequence on; fewer, or none, where
// few match.
func (r *Reader) Page(ctx context.Context, f Filter, from uint64, limit int) (Page, error) {
	page := Page{Next: from, Done: true}
	looked := 0
	all := f
	all.RecordID, all.Text = "", "" // these are looked at here, to be counted
	err := r.from(ctx, all, queue.ReadParams{From: from, Since: f.Since, HeadersOnly: true}, func(s *Stored) error {
		if len(page.Letters) == limit || looked == pageReads {
			page.Done = false
			return queue.ErrStop
		}
		looked++
		page.Next = s.Sequence + 1
		if f.matches(s) {
			page.Letters = append(page.Letters, s)
		}
		return nil
	})
	return page, err
}

// Get reads one letter, with its body; queue.ErrNoMessage where there is none.
func (r *Reader) Get(ctx context.Context, sequence uint64) (*Stored, error) {
	store, err := r.store(ctx)
	if err != nil {
		return nil, err
	}
	m, err := store.Get(ctx, sequence)
	if err != nil {
		return nil, err
	}
	return parse(m)
}

// Last is the newest letter's sequence, whether it is still there or not; 0
// where there was none.
func (r *Reader) Last(ctx context.Context) (uint64, error) {
	store, err := r.store(ctx)
	if err != nil {
		return 0, err
	}
	state, err := store.State(ctx)
	return state.LastSequence, err
}

// Counts counts letters by tenant, destination and reason, without reading
// one. The filter must be by these alone.
func (r *Reader) Counts(ctx context.Context, f Filter) (map[Key]uint64, error) {
	if !f.BySubject() {
		return nil, errors.New("only tenant, destination and reason are counted without reading")
	}
	store, err := r.store(ctx)
	if err != nil {
		return nil, err
	}
	bySubject, err := store.CountBySubject(ctx, f.Subject())
	if err != nil {
		return nil, err
	}
	counts := make(map[Key]uint64, len(bySubject))
	for subject, n := range bySubject {
		key, err := parseKey(subject)
		if err != nil {
			return nil, err
		}
		counts[key] += n
	}
	return counts, nil
}

// Seen tells when the first and the last letter were buried that match by
// subject: two questions, whatever their number. Zero where there is none.
func (r *Reader) Seen(ctx context.Context, f Filter) (first, last time.Time, err error) {
	store, err := r.store(ctx)
	if err != nil {
		return first, last, err
	}
	oldest, err := store.First(ctx, f.Subject())
	if errors.Is(err, queue.ErrNoMessage) {
		return first, last, nil
	}
	if err != nil {
		return first, last, err
	}
	newest, err := store.Last(ctx, f.Subject())
	if errors.Is(err, queue.ErrNoMessage) { // deleted since
		return first, last, nil
	}
	return oldest.Time, newest.Time, err
}

// Drop deletes a letter for good; that there is none is success.
func (r *Reader) Drop(ctx context.Context, sequence uint64) error {
	store, err := r.store(ctx)
	if err != nil {
		return err
	}
	return store.Delete(ctx, sequence)
}

// Purge deletes for good, at once, what matches by subject, no later than the
// filter's Through.
func (r *Reader) Purge(ctx context.Context, f Filter) error {
	if !f.BySubject() || f.Through == 0 {
		return fmt.Errorf("purging by %s through %d: only what matches by subject, through a sequence, is purged", f, f.Through)
	}
	store, err := r.store(ctx)
	if err != nil {
		return err
	}
	return store.Purge(ctx, f.Subject(), f.Through)
}
