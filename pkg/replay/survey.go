package replay

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Survey is what a job would do.
type Survey struct {
	Letters uint64                    `json:"letters"` // that match
	Bytes   uint64                    `json:"bytes"`   // of those that would be replayed, as stored
	By      map[deadletter.Key]uint64 `json:"-"`
	Skipped map[Reason]uint64         `json:"skipped,omitempty"`     // that would stay, by why
	Past    uint64                    `json:"past_window,omitempty"` // that would be replayed, older than ContentWindow
	// Unread letters were not read, since there are many: whether they are past
	// the window is told by when they were published, and whether those without
	// a destination can be routed is not told.
	Unread uint64 `json:"unread,omitempty"`
}

// Replayed is how many letters would be replayed.
func (s Survey) Replayed() uint64 { return s.Letters - Tally{Skipped: s.Skipped}.skipped() }

// Takes is how long a job of that many letters a second would take; 0: it
// depends on the queue alone.
func (s Survey) Takes(rate float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(s.Replayed()) / rate * float64(time.Second))
}

// maxSurveyed bounds the records that a survey reads whole.
const maxSurveyed = 10_000

// Survey tells what a job would do, and does nothing. It reads the headers of
// every letter that matches, and a bounded number of records.
func (r *Runner) Survey(ctx context.Context, spec Spec) (Survey, error) {
	if err := r.check(spec); err != nil {
		return Survey{}, err
	}
	s := surveyor{Runner: r, spec: spec, now: time.Now(), survey: Survey{By: map[deadletter.Key]uint64{}, Skipped: map[Reason]uint64{}}}
	s.reading.SetLimit(inFlight)
	err := r.Letters.Each(ctx, spec.Filter, false, func(l *deadletter.Stored) error {
		s.one(ctx, l)
		return nil
	})
	return s.survey, errors.Join(err, s.reading.Wait())
}

type surveyor struct {
	*Runner
	spec    Spec
	now     time.Time
	reading errgroup.Group
	read    int

	mu     sync.Mutex
	survey Survey
}

// one judges a letter by its headers, or has it read.
func (s *surveyor) one(ctx context.Context, l *deadletter.Stored) {
	whole := l.Replayable() && s.read < maxSurveyed
	s.headers(l, whole)
	if whole { // not under the lock, for which the readers wait
		s.read++
		s.reading.Go(func() error { return s.whole(ctx, l.Sequence) })
	}
}

func (s *surveyor) headers(l *deadletter.Stored, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.survey.Letters++
	s.survey.By[l.Key]++
	switch {
	case whole:
	case !l.Replayable():
		s.survey.Skipped[unreplayable(l)]++
	default:
		s.survey.Unread++
		s.survey.Bytes += uint64(max(l.Size, 0))
		if s.now.Sub(published(l)) > ContentWindow {
			s.survey.Past++
		}
	}
}

// whole judges a letter by its record.
func (s *surveyor) whole(ctx context.Context, sequence uint64) error {
	l, err := s.Letters.Get(ctx, sequence)
	if errors.Is(err, queue.ErrNoMessage) { // somebody deleted it
		return nil
	}
	if err != nil {
		return err
	}
	_, reason := s.branches(l, s.spec)
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason != "" {
		s.survey.Skipped[reason]++
		return nil
	}
	s.survey.Bytes += uint64(max(l.Size, 0))
	if pastWindow(l, s.now) {
		s.survey.Past++
	}
	return nil
}
