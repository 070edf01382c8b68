package deadletter

import (
	"context"
	"errors"
	"slices"

	"github.com/hogcast/hogcast/pkg/queue"
)

// JetStream reads forward only. To come to the newest letters without reading
// the older, windows of the stream are read from its end towards its beginning,
// each wider than the one before while they hold few that match.
const (
	firstWindow = 1000 // sequences
	wider       = 4
	fewLetters  = 1000 // in a window: the next is wider
	manyLetters = 8000 // without a limit, what is kept at once; × ~1 KB of headers = 8 MB
)

// Newest calls use with at most limit letters that match, newest first; 0: all.
// Its envelopes hold headers alone. use may return queue.ErrStop.
func (r *Reader) Newest(ctx context.Context, f Filter, limit int, use func(*Stored) error) error {
	store, err := r.store(ctx)
	if err != nil {
		return err
	}
	b := backward{reader: r, filter: f, width: firstWindow, limit: limit, use: use}
	if err := b.bounds(ctx, store); err != nil {
		return err
	}
	for b.end > b.floor && !b.stopped {
		if err := b.window(ctx); err != nil {
			return err
		}
	}
	return nil
}

// backward is one reading from the end.
type backward struct {
	reader *Reader
	filter Filter
	use    func(*Stored) error

	floor   uint64 // no letter before it matches
	end     uint64 // what is not read yet comes before it
	width   uint64 // of the next window, in sequences
	limit   int    // 0: none
	used    int
	stopped bool // no more is wanted
}

// bounds finds between which sequences letters can match.
func (b *backward) bounds(ctx context.Context, store *queue.Store) error {
	state, err := store.State(ctx)
	if err != nil {
		return err
	}
	b.floor, b.end = max(state.FirstSequence, 1), state.LastSequence+1
	if b.filter.Through > 0 {
		b.end = min(b.end, b.filter.Through+1)
	}
	if !b.filter.Since.IsZero() {
		from, _, err := store.Span(ctx, queue.ReadParams{Since: b.filter.Since, HeadersOnly: true})
		if err != nil {
			return err
		}
		b.floor = max(b.floor, from)
	}
	if !b.filter.Until.IsZero() {
		from, _, err := store.Span(ctx, queue.ReadParams{Since: b.filter.Until, HeadersOnly: true})
		if err != nil {
			return err
		}
		b.end = min(b.end, from)
	}
	return nil
}

// errMany says that a window holds more than may be kept.
var errMany = errors.New("many letters")

// window reads one window.
func (b *backward) window(ctx context.Context) error {
	from := b.floor
	if b.end-b.floor > b.width {
		from = b.end - b.width
	}
	letters, err := b.read(ctx, from)
	switch {
	case errors.Is(err, errMany):
		b.width = max(b.width/wider, firstWindow)
		return nil
	case err != nil:
		return err
	case len(letters) < fewLetters:
		b.width *= wider
	}
	b.end = from
	return b.give(letters)
}

// read keeps the letters from a sequence to the end, or as many of the newest as
// are wanted still.
func (b *backward) read(ctx context.Context, from uint64) ([]*Stored, error) {
	var letters []*Stored
	within := b.filter
	within.Through = b.end - 1
	err := b.reader.from(ctx, within, queue.ReadParams{From: from, HeadersOnly: true}, func(s *Stored) error {
		letters = append(letters, s)
		wanted := b.limit - b.used
		switch {
		case b.limit == 0 && len(letters) > manyLetters && b.width > firstWindow:
			return errMany
		case b.limit > 0 && len(letters) >= 2*wanted:
			letters = append(letters[:0], letters[len(letters)-wanted:]...)
		}
		return nil
	})
	return letters, err
}

// give hands the letters on, the newest first.
func (b *backward) give(letters []*Stored) error {
	for _, s := range slices.Backward(letters) {
		err := b.use(s)
		if b.used++; errors.Is(err, queue.ErrStop) || b.limit > 0 && b.used == b.limit {
			b.stopped = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
