package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Letters are the dead letters; a *deadletter.Reader reads them.
type Letters interface {
	Page(ctx context.Context, f deadletter.Filter, from uint64, limit int) (deadletter.Page, error)
	Each(ctx context.Context, f deadletter.Filter, bodies bool, use func(*deadletter.Stored) error) error
	Get(ctx context.Context, sequence uint64) (*deadletter.Stored, error)
	Counts(ctx context.Context, f deadletter.Filter) (map[deadletter.Key]uint64, error)
	Last(ctx context.Context) (uint64, error)
	Drop(ctx context.Context, sequence uint64) error
}

// Held is the held stream with its wake-ups; a *queue.Conn has them.
type Held interface {
	// Publish stores one message and returns nil only when it is stored.
	Publish(ctx context.Context, m queue.Message) error
	// WakeUp sees to it that the destination has a wake-up.
	WakeUp(ctx context.Context, subject string) error
	// CountBySubject counts a stream's messages by subject.
	CountBySubject(ctx context.Context, stream, filter string) (map[string]uint64, error)
}

// Params of a runner; Letters, Held, Jobs, Name and MaxPayload are required.
type Params struct {
	Letters Letters
	Held    Held
	Jobs    *Jobs
	Name    string // of this runner, for people; no two may share one
	// Destinations are those in force; nil: not known, so that letters for no
	// destination can't be routed anew.
	Destinations *destination.Set
	HeldQuota    int64 // messages that a destination's held subject takes; ≤ 0: any number
	MaxPayload   int   // of the server, in bytes
	// Started is told the job once it runs here, Progress how far it is (by many
	// goroutines, often), Notice what somebody who waits should know, once each.
	Started  func(Job)
	Progress func(done, total uint64)
	Notice   func(string)

	Poll time.Duration // between looks for room; default 1 s
}

// Runner runs jobs.
type Runner struct{ Params }

// NewRunner makes a runner.
func NewRunner(p Params) *Runner {
	if p.Started == nil {
		p.Started = func(Job) {}
	}
	if p.Progress == nil {
		p.Progress = func(uint64, uint64) {}
	}
	if p.Notice == nil {
		p.Notice = func(string) {}
	}
	if p.Poll <= 0 {
		p.Poll = time.Second
	}
	return &Runner{p}
}

// ErrNothing says that no letter matches.
var ErrNothing = errors.New("no dead letters match")

// Start makes a job and runs it until it is done, or ctx ends (then it is
// paused), or somebody pauses or cancels it. The job is as it is stored then;
// the error is nil in each of these cases. ErrBusy: another job is in its way.
func (r *Runner) Start(ctx context.Context, spec Spec) (Job, error) {
	if err := r.check(spec); err != nil {
		return Job{}, err
	}
	last, err := r.Letters.Last(ctx)
	if err != nil {
		return Job{}, err
	}
	spec.Filter.Through = last
	total, err := r.total(ctx, spec.Filter)
	switch {
	case err != nil:
		return Job{}, err
	case total == 0:
		return Job{}, ErrNothing
	}
	s, err := r.Jobs.create(ctx, Job{Spec: spec, Total: total, Runner: r.Name})
	if err != nil {
		return Job{}, err
	}
	return r.run(ctx, s)
}

// Resume goes on with a job here: one that is paused, or whose runner is gone
// for longer than its lease. See Start.
func (r *Runner) Resume(ctx context.Context, id string) (Job, error) {
	s, err := r.Jobs.take(ctx, id, r.Name)
	if err != nil {
		return Job{}, err
	}
	return r.run(ctx, s)
}

// check holds the spec against the destinations.
func (r *Runner) check(spec Spec) error {
	if err := spec.Validate(); err != nil || spec.To == "" {
		return err
	}
	_, err := r.target(spec)
	return err
}

// target is the other destination of a spec.
func (r *Runner) target(spec Spec) (*destination.Destination, error) {
	if r.Destinations == nil {
		return nil, errors.New("to: another destination has privacy rules of its own: give --destinations")
	}
	for _, d := range r.Destinations.Of(spec.Filter.Tenant) {
		if d.Name != spec.To {
			continue
		}
		if !d.Enabled {
			return nil, fmt.Errorf("to: %s is not enabled", d.ID)
		}
		return d, nil
	}
	return nil, fmt.Errorf("to: tenant %s has no destination %q", spec.Filter.Tenant, spec.To)
}

// total counts what matches, without reading it where the server can.
func (r *Runner) total(ctx context.Context, f deadletter.Filter) (n uint64, err error) {
	if !f.BySubject() {
		err = r.Letters.Each(ctx, f, false, func(*deadletter.Stored) error { n++; return nil })
		return n, err
	}
	counts, err := r.Letters.Counts(ctx, f)
	for _, count := range counts {
		n += count
	}
	return n, err
}

// stopGrace is how long letters that are on their way may take after ctx has
// ended. One that does not make it stays, and goes by the same id when the job
// is resumed.
const stopGrace = 10 * time.Second

// run runs a job to its end here.
func (r *Runner) run(ctx context.Context, s *session) (Job, error) {
	r.Started(s.job)
	working, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer graceful(ctx, working, cancel)()
	run := newRun(r, s, working)
	state, err := run.loop(ctx)
	if errors.Is(err, ErrTaken) {
		return s.job, err
	}
	if err != nil {
		state = Failed
	}
	run.keep()
	ending, done := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer done()
	if failed := s.end(ending, state, err); failed != nil {
		return s.job, errors.Join(err, fmt.Errorf("job %s: its end could not be written; resume it when its lease has run out: %w", s.job.ID, failed))
	}
	return s.job, err
}

// graceful ends what is working a grace after ctx has ended. It keeps no
// goroutine waiting.
func graceful(ctx, working context.Context, cancel context.CancelCauseFunc) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		last := time.AfterFunc(stopGrace, func() { cancel(context.Cause(ctx)) })
		context.AfterFunc(working, func() { last.Stop() })
	})
}

// run is one job being run.
type run struct {
	*Runner
	session *session
	working context.Context // of letters on their way
	spec    Spec
	quota   *quota
	pace    pace
	notices notices
	total   uint64

	mu    sync.Mutex // guards the tally while letters are on their way
	tally Tally
	lanes []*lane
}

func newRun(r *Runner, s *session, working context.Context) *run {
	return &run{
		Runner: r, session: s, working: working, spec: s.job.Spec, tally: s.job.Tally.copy(),
		quota: newQuota(r.Held, half(r.HeldQuota), r.Poll), pace: pace{rate: s.job.Rate, look: min(time.Second, r.Jobs.lease/4)}, notices: notices{say: r.Notice},
		total: s.job.Total,
	}
}

// half of a quota, but one at least; ≤ 0 is none.
func half(quota int64) int64 {
	if quota <= 0 {
		return 0
	}
	return max(quota/2, 1)
}

// loop takes turns with the lanes until none has letters left.
func (r *run) loop(ctx context.Context) (State, error) {
	for r.lanes == nil {
		if err := r.findLanes(ctx); err != nil {
			if stop, err := r.waiting(ctx, err); stop != "" || err != nil {
				return stop, err
			}
		}
	}
	for len(r.lanes) > 0 {
		stop, moved, err := r.round(ctx)
		if stop != "" || fatal(err) {
			return stop, err
		}
		if !moved {
			if stop, err := r.waiting(ctx, err); stop != "" || err != nil {
				return stop, err
			}
		}
	}
	return Done, nil
}

// round gives each lane a turn. What went wrong with one is no reason to leave
// out the others; it is tried again.
func (r *run) round(ctx context.Context) (stop State, moved bool, err error) {
	left := r.lanes[:0:0]
	for i, l := range r.lanes {
		if stop, err := r.checkpoint(ctx); stop != "" || err != nil {
			r.lanes = append(left, r.lanes[i:]...)
			return stop, moved, err
		}
		if time.Now().Before(l.rests) {
			left = append(left, l)
			continue
		}
		before := l.next
		failed := r.turn(ctx, l)
		if fatal(failed) {
			return "", moved, failed
		}
		if failed != nil {
			l.rests = time.Now().Add(r.Poll)
			err = errors.Join(err, failed)
		}
		moved = moved || l.next != before || l.done
		if !l.done {
			left = append(left, l)
		}
	}
	r.lanes = left
	return "", moved, err
}

// fatal reports whether trying again is of no use.
func fatal(err error) bool {
	return errors.Is(err, ErrTaken) || errors.Is(err, queue.ErrPermission) || errors.Is(err, queue.ErrNotSetUp)
}

// checkpoint saves the job when that is due, and says whether to stop.
func (r *run) checkpoint(ctx context.Context) (State, error) {
	if ctx.Err() != nil {
		return Paused, nil
	}
	if time.Since(r.session.job.Renewed) > r.Jobs.lease/4 {
		if err := r.save(); err != nil {
			return "", err
		}
	}
	if wish := r.session.job.Wish; wish != "" {
		return wish.state(), nil
	}
	return "", nil
}

// save writes the job; where that can't be done now the letters go on: what is
// moved is deleted, and goes by the same ids if it is moved again.
func (r *run) save() error {
	r.keep()
	err := r.session.save(r.working)
	if err == nil || fatal(err) {
		return err
	}
	r.notices.once("the job can't be saved now, trying again: " + err.Error())
	return nil
}

// waiting waits for a while, since nothing moves.
func (r *run) waiting(ctx context.Context, why error) (State, error) {
	if fatal(why) {
		return "", why
	}
	if why != nil && !errors.Is(why, errNoRoom) { // that was told already
		r.notices.once("waiting, and trying again: " + why.Error())
	}
	select {
	case <-time.After(r.Poll):
	case <-ctx.Done():
	}
	return r.checkpoint(ctx)
}

// keep puts what is known here into the job.
func (r *run) keep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session.job.Tally = r.tally.copy()
}

// count changes the tally and tells how far the job is.
func (r *run) count(change func(*Tally)) {
	r.mu.Lock()
	change(&r.tally)
	done := r.tally.Letters()
	r.mu.Unlock()
	r.Progress(done, r.total)
}

// notices says each thing once. It is for many goroutines.
type notices struct {
	say  func(string)
	mu   sync.Mutex
	said map[string]bool
}

// maxNotices bounds what is said.
const maxNotices = 1000

func (n *notices) once(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.said[what] || len(n.said) == maxNotices {
		return
	}
	if n.said == nil {
		n.said = make(map[string]bool)
	}
	n.said[what] = true
	n.say(what)
}
