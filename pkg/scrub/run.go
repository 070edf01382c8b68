package scrub

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
)

// run is one job being run here.
type run struct {
	*Service
	jobs     *Jobs
	job      Job
	revision uint64
}

// errTaken: somebody else has the job, or has ended it.
var errTaken = errors.New("the job is another's")

// runOne claims a job and runs it to its end. Where that fails the job is left
// as running, and is taken up again when its lease has run out.
func (s *Service) runOne(ctx context.Context, jobs *Jobs, id destination.ID) error {
	job, revision, err := jobs.Get(ctx, id)
	if err != nil || !job.due(time.Now()) {
		return ignore(err, ErrNoJob)
	}
	d := s.Registry.Current().Get(id)
	if d != nil && d.EntryUnreadable {
		return nil // nobody knows its rules, until it can be read
	}
	r := &run{Service: s, jobs: jobs, job: job, revision: revision}
	if d == nil || !d.Private() {
		r.job.Rules = nil
		return ignore(r.end(ctx), errTaken) // there is no rule any more
	}
	rules := ruleset{privacy.RulesOf(d), privacy.RulesOfAll(s.known(id.Tenant))}
	r.job.State, r.job.Runner, r.job.Error, r.job.Tally = Running, s.Worker, "", Tally{}
	r.job.Rules = privacy.Applied(rules.own)
	if err := r.save(ctx); err != nil {
		return ignore(err, errTaken)
	}
	s.log.Info("scrubbing what is stored of a destination whose privacy rules have changed",
		zap.String("tenant", id.Tenant), zap.String("destination", id.Name))
	if err := r.scan(ctx, id, rules); err != nil {
		if ctx.Err() == nil && !errors.Is(err, errTaken) {
			r.job.Error = err.Error()
			_ = r.save(ctx) // its lease runs out all the same
		}
		return ignore(err, errTaken)
	}
	if err := r.end(ctx); err != nil {
		return ignore(err, errTaken)
	}
	s.log.Info("scrubbed", zap.String("tenant", id.Tenant), zap.String("destination", id.Name),
		zap.Uint64("looked", r.job.Looked), zap.Uint64("rewritten", r.job.Rewritten), zap.Uint64("withheld", r.job.Withheld))
	return nil
}

// ruleset is what a scrub brings into force: a destination's rules, and those of
// all of its tenant's together.
type ruleset struct{ own, shared privacy.Rules }

// scan goes through all places, and once more through what was stored
// meanwhile: a worker may have learned of the rules a moment later.
func (r *run) scan(ctx context.Context, id destination.ID, rules ruleset) error {
	places := placesOf(id)
	next := make([]uint64, len(places))
	var err error
	if r.job.Total, err = r.count(ctx, id); err != nil {
		return err
	}
	s := scan{
		conn: r.Conn, letters: r.Letters, rules: rules.own, shared: rules.shared,
		tally: &r.job.Tally, step: func() error { return r.step(ctx) },
	}
	for range 2 {
		for i, p := range places {
			if next[i], err = s.through(ctx, p, next[i]); err != nil {
				return err
			}
		}
		if err := r.wait(ctx, time.Until(r.job.Created.Add(r.Settle))); err != nil {
			return err
		}
	}
	return nil
}

// wait waits, and keeps the lease.
func (r *run) wait(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(lease/4, time.Until(end))):
		}
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step saves the job when that is due.
func (r *run) step(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if time.Since(r.job.Renewed) < lease/4 {
		return nil
	}
	return r.save(ctx)
}

func (r *run) end(ctx context.Context) error {
	r.job.State, r.job.Ended = Done, time.Now()
	return r.save(ctx)
}

// save writes the job; errTaken where it is another's by now.
func (r *run) save(ctx context.Context) error {
	r.job.Renewed = time.Now()
	revision, err := r.jobs.put(ctx, &r.job, r.revision)
	if errors.Is(err, queue.ErrConflict) {
		return errTaken
	}
	if err == nil {
		r.revision = revision
	}
	return err
}

// ignore is err, unless it is that one.
func ignore(err, that error) error {
	if errors.Is(err, that) {
		return nil
	}
	return err
}
