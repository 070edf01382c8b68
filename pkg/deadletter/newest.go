package deadletter

import (
	"context"
	"slices"

	"github.com/hogcast/hogcast/pkg/queue"
)

// JetStream reads forward only. To come to the newest letters without reading
// the older, windows of the stream are read from its end towards its beginning,
// each as wide as holds a bounded number of letters by the server's count.
const (
	firstWindow = 1000 // sequences
	fewLetters  = 1000 // in a window: the next is wider
	manyLetters = 8000 // the window is narrowed; × ~1 KB of headers = 8 MB
)

// Newest calls use with at most limit letters that match, newest first; 0: all.
// Its envelopes hold headers alone. use may return queue.ErrStop.
func (r *Reader) Newest(ctx context.Context, f Filter, limit int, use func(*Stored) error) error {
	store, err := r.store(ctx)
	if err != nil {
		return err
	}
	b := backward{reader: r, store: store, filter: f, width: firstWindow, left: limit, use: use}
	if err := b.bounds(ctx); err != nil {
		return err
	}
	for more := true; more; {
		if more, err = b.window(ctx); err != nil {
			return err
		}
	}
	return nil
}

// backward is one reading from the end.
type backward struct {
	reader *Reader
	store  *queue.Store
	filter Filter

	floor  uint64 // no letter before it matches
	end    uint64 // what is not read yet comes before it
	behind uint64 // letters that match by subject from end on
	width  uint64 // of the next window, in sequences
	left   int    // of the limit; 0: no limit
	use    func(*Stored) error
}

func (b *backward) bounds(ctx context.Context) error {
	state, err := b.store.State(ctx)
	if err != nil {
		return err
	}
	b.floor, b.end = max(state.FirstSequence, 1), state.LastSequence+1
	if b.filter.Through > 0 {
		b.end = min(b.end, b.filter.Through+1)
	}
	if !b.filter.Since.IsZero() {
		from, pending, err := b.span(ctx, queue.ReadParams{Since: b.filter.Since})
		if err != nil {
			return err
		}
		if b.floor = max(b.floor, from); pending == 0 {
			b.floor = b.end
		}
	}
	if !b.filter.Until.IsZero() {
		from, _, err := b.span(ctx, queue.ReadParams{Since: b.filter.Until})
		if err != nil {
			return err
		}
		b.end = min(b.end, from)
	}
	return b.count(ctx)
}

func (b *backward) span(ctx context.Context, p queue.ReadParams) (from, pending uint64, err error) {
	p.Subject, p.HeadersOnly = b.filter.Subject(), true
	return b.store.Span(ctx, p)
}

// count counts what is behind the end.
func (b *backward) count(ctx context.Context) (err error) {
	_, b.behind, err = b.span(ctx, queue.ReadParams{From: b.end})
	return err
}

// window reads one window and reports whether there may be more.
func (b *backward) window(ctx context.Context) (bool, error) {
	if b.end <= b.floor {
		return false, nil
	}
	from := b.floor
	if b.end-b.floor > b.width {
		from = b.end - b.width
	}
	_, pending, err := b.span(ctx, queue.ReadParams{From: from})
	if err != nil {
		return false, err
	}
	inside := pending - min(pending, b.behind)
	if inside > manyLetters && b.width > firstWindow {
		b.width = max(b.width/4, firstWindow)
		return true, nil
	}
	letters, err := b.read(ctx, from, inside)
	if err != nil {
		return false, err
	}
	if inside < fewLetters {
		b.width *= 4
	}
	b.end, b.behind = from, pending
	return b.give(letters)
}

func (b *backward) read(ctx context.Context, from, inside uint64) (letters []*Stored, err error) {
	if inside == 0 {
		return nil, nil
	}
	within := b.filter
	within.Through = b.end - 1
	err = b.reader.from(ctx, within, queue.ReadParams{From: from, HeadersOnly: true}, func(s *Stored) error {
		letters = append(letters, s)
		return nil
	})
	return letters, err
}

// give hands the letters on, the newest first, and reports whether more are
// wanted.
func (b *backward) give(letters []*Stored) (bool, error) {
	for _, s := range slices.Backward(letters) {
		switch err := b.use(s); err {
		case nil:
		case queue.ErrStop: //nolint:errorlint // the very value is the signal
			return false, nil
		default:
			return false, err
		}
		if b.left--; b.left == 0 {
			return false, nil
		}
	}
	return true, nil
}
