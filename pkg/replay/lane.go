package replay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/deadletter"
)

// lane is a destination's letters, oldest first. Lanes take turns, so that one
// whose destination has no room holds up no other.
type lane struct {
	tenant, destination string // "": could not be told
	next                uint64 // the first sequence that is not finished
	done                bool
	rests               time.Time // until then: something is in its way

	mu   sync.Mutex
	over map[uint64]bool     // finished, at next or beyond
	sent map[uint64][]string // destinations that have got a letter that is not finished
}

const (
	// turnLetters is how many letters a lane gets in a turn.
	turnLetters = 128
	// inFlight is how many letters are on their way at once; each may be of
	// max_payload: 8 × 8 MiB.
	inFlight = 8
	// letterTimeout bounds one letter's try; it is tried again by the same id.
	letterTimeout = 30 * time.Second
)

func (l *lane) key() string {
	return deadletter.Token(l.tenant) + "." + deadletter.Token(l.destination)
}

// findLanes finds the destinations that have letters.
func (r *run) findLanes(ctx context.Context) error {
	bySubject := deadletter.Filter{Tenant: r.spec.Filter.Tenant, Destination: r.spec.Filter.Destination, Reason: r.spec.Filter.Reason}
	counts, err := r.Letters.Counts(ctx, bySubject)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	lanes := []*lane{}
	for key := range counts {
		l := &lane{tenant: key.Tenant, destination: key.Destination, next: 1, over: map[uint64]bool{}, sent: map[uint64][]string{}}
		if known[l.key()] {
			continue
		}
		known[l.key()] = true
		l.next = r.session.job.Cursors[l.key()] + 1
		lanes = append(lanes, l)
	}
	slices.SortFunc(lanes, func(a, b *lane) int { return strings.Compare(a.key(), b.key()) })
	r.lanes = lanes
	return nil
}

// turn moves some letters of a lane, several at once. Afterwards next is the
// first that could not be finished, with the reason as the error; or the next
// turn's first.
func (r *run) turn(ctx context.Context, l *lane) error {
	filter := r.spec.Filter
	filter.Tenant, filter.Destination = deadletter.Token(l.tenant), deadletter.Token(l.destination)
	page, err := r.Letters.Page(r.working, filter, l.next, turnLetters)
	if err != nil {
		return err
	}
	var moving errgroup.Group
	moving.SetLimit(inFlight)
	var problems problems
	for _, s := range page.Letters {
		if l.isOver(s.Sequence) {
			continue
		}
		if problems.any() || !r.renewed(ctx) || !r.pace.wait(ctx, r.renewed) {
			break
		}
		moving.Go(func() error {
			problems.add(r.finish(l, s))
			return nil
		})
	}
	_ = moving.Wait() // the goroutines return nothing but nil
	l.advance(page)
	r.keepCursor(l)
	if r.spec.keeps() { // the cursor alone tells what has been sent
		problems.add(r.save())
	}
	return problems.joined()
}

// finish deals with one letter; then it is over.
func (r *run) finish(l *lane, s *deadletter.Stored) error {
	ctx, cancel := context.WithTimeout(r.working, letterTimeout)
	defer cancel()
	err := r.letter(ctx, l, s)
	if err == nil {
		l.finished(s.Sequence)
	}
	return err
}

func (l *lane) finished(sequence uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over[sequence] = true
	delete(l.sent, sequence)
}

func (l *lane) isOver(sequence uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over[sequence]
}

// advance goes on to the first letter that is not over. Nothing is on its way.
func (l *lane) advance(page deadletter.Page) {
	next := page.Next
	for _, s := range page.Letters {
		if !l.over[s.Sequence] {
			next = s.Sequence
			break
		}
	}
	for sequence := range l.over {
		if sequence < next {
			delete(l.over, sequence)
		}
	}
	l.done = page.Done && next == page.Next
	l.next = next
}

// keepCursor puts how far the lane is into the job.
func (r *run) keepCursor(l *lane) {
	job := &r.session.job
	if job.Cursors == nil {
		job.Cursors = map[string]uint64{}
	}
	if _, known := job.Cursors[l.key()]; known || len(job.Cursors) < maxCursors {
		job.Cursors[l.key()] = l.next - 1
	}
}

// renewed keeps the lease between two letters, and says whether to go on.
func (r *run) renewed(ctx context.Context) bool {
	stop, err := r.checkpoint(ctx)
	return stop == "" && err == nil
}

// problems gathers what goes wrong side by side; the same twice is one.
type problems struct {
	mu  sync.Mutex
	all []error
}

func (p *problems) add(err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.all {
		if known.Error() == err.Error() {
			return
		}
	}
	p.all = append(p.all, err)
}

func (p *problems) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all) > 0
}

func (p *problems) joined() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.all...)
}
