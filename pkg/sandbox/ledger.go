package sandbox

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// ledger is the memory of what was taken.
type ledger struct {
	record    io.Writer
	onEvent   func(Taken)
	keepNone  bool
	keepBytes int64

	mu         sync.Mutex // guards what follows, and the writing of records
	line       []byte     // of the last record, for reuse
	taken      []Taken
	takenBytes int64
	requests   []Request
	begun      int // requests, ever: the last ID
	logged     int // requests, since Reset
	seen       map[string]map[uuid.UUID]struct{}
	distinct   int
	copies     int
	dropped    int
	changed    chan struct{} // closed at each change, and then made anew
}

func newLedger(cfg Config) *ledger {
	return &ledger{
		record:    cfg.Record,
		onEvent:   cfg.OnEvent,
		keepNone:  cfg.KeepNone,
		keepBytes: cfg.KeepBytes,
		seen:      map[string]map[uuid.UUID]struct{}{},
		changed:   make(chan struct{}),
	}
}

// Taken is every event that was accepted, copies included, in order; of many,
// the newest (Config.KeepBytes).
func (s *Server) Taken() []Taken {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.taken)
}

// Requests is every request so far, in order of their answers; of many, the
// newest 100,000. One that waits (latency, hang) is listed from the start.
func (s *Server) Requests() []Request {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.requests)
}

// Count is the number of distinct events taken: by key and uuid.
func (s *Server) Count() int { return s.ledger.number(&s.ledger.distinct) }

// Duplicates is the number of events taken again: same key, same uuid.
func (s *Server) Duplicates() int { return s.ledger.number(&s.ledger.copies) }

// Dropped is the number of events that were dropped, silently or not, in
// batches that were answered with 200: over quota, or by v1's verdict.
func (s *Server) Dropped() int { return s.ledger.number(&s.ledger.dropped) }

func (l *ledger) number(n *int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *n
}

// Reset forgets what was taken, asked and counted. Faults stay, see Clear.
func (s *Server) Reset() {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken, l.takenBytes, l.requests = nil, 0, nil
	l.logged, l.distinct, l.copies, l.dropped = 0, 0, 0, 0
	l.seen = map[string]map[uuid.UUID]struct{}{}
	l.announce()
}

// Await returns when n distinct events were taken, or with an error when ctx
// ends or the server closes.
func (s *Server) Await(ctx context.Context, n int) error {
	return s.await(ctx, "events", n, &s.ledger.distinct)
}

// AwaitRequests returns when n requests have come whose answer is decided: a
// hanging one counts.
func (s *Server) AwaitRequests(ctx context.Context, n int) error {
	return s.await(ctx, "requests", n, &s.ledger.logged)
}

func (s *Server) await(ctx context.Context, what string, want int, number *int) error {
	for {
		s.ledger.mu.Lock()
		got, changed := *number, s.ledger.changed
		s.ledger.mu.Unlock()
		if got >= want {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("awaiting %d %s, %d so far: %w", want, what, got, ctx.Err())
		case <-s.done:
			return fmt.Errorf("awaiting %d %s, %d so far: %w", want, what, got, ErrClosed)
		}
	}
}

// announce wakes who awaits something. The caller holds the lock.
func (l *ledger) announce() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// begin gives a request its ID.
func (l *ledger) begin() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun++
	return l.begun
}

// log notes a request whose answer is decided.
func (l *ledger) log(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logged++
	if !l.keepNone {
		if len(l.requests) == maxKeptRequests {
			l.requests = slices.Delete(l.requests, 0, maxKeptRequests/10)
		}
		l.requests = append(l.requests, r)
	}
	l.announce()
}

// drop counts events that were dropped.
func (l *ledger) drop(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped += n
}

// take stores events. An error means that some could not be recorded; those
// before it are taken all the same, and come again as duplicates.
func (l *ledger) take(events []Taken) error {
	n, err := l.store(events)
	if l.onEvent != nil {
		for _, t := range events[:n] {
			l.onEvent(t)
		}
	}
	return err
}

func (l *ledger) store(events []Taken) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.announce()
	for i := range events {
		if err := l.write(&events[i]); err != nil {
			return i, err
		}
		l.count(&events[i])
		if !l.keepNone {
			l.keep(events[i])
		}
	}
	return len(events), nil
}

func (l *ledger) write(t *Taken) error {
	if l.record == nil {
		return nil
	}
	l.line = t.appendRecord(l.line[:0])
	if _, err := l.record.Write(l.line); err != nil {
		return fmt.Errorf("recording event: %w", err)
	}
	if f, ok := l.record.(interface{ Flush() error }); ok {
		if err := f.Flush(); err != nil {
			return fmt.Errorf("recording event: %w", err)
		}
	}
	return nil
}

func (l *ledger) count(t *Taken) {
	ids := l.seen[t.APIKey]
	if ids == nil {
		ids = map[uuid.UUID]struct{}{}
		l.seen[t.APIKey] = ids
	}
	id := uuid.MustParse(t.UUID) // made from one
	if _, again := ids[id]; again {
		l.copies++
		return
	}
	ids[id] = struct{}{}
	l.distinct++
}

// keep keeps an event, and forgets the oldest where there are too many bytes.
func (l *ledger) keep(t Taken) {
	l.taken = append(l.taken, t)
	l.takenBytes += t.size()
	old := 0
	for l.takenBytes > l.keepBytes && old < len(l.taken)-1 {
		l.takenBytes -= l.taken[old].size()
		l.taken[old] = Taken{} // lets go of its bytes
		old++
	}
	l.taken = l.taken[old:]
}
