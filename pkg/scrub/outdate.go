package scrub

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
)

// outdate takes back what jobs have brought into force of destinations that
// have had other rules since, or none, or were gone: what was stored meanwhile
// is as these allowed, and when the rules come back there is a job for it again.
// Each worker does it, whatever a destination has become by now: one may not
// have seen what another has stored under.
func (s *Service) outdate(ctx context.Context, r *rounds) error {
	if !r.begun {
		if err := s.outdateAll(ctx); err != nil {
			return err
		}
		r.begun = true
	}
	if len(r.changed) == 0 {
		return nil
	}
	jobs, err := s.jobs(ctx)
	if err != nil {
		return err
	}
	some, err := withJobs(ctx, jobs, r.changed)
	if err != nil {
		return err
	}
	for _, c := range some {
		if err := jobs.outdate(ctx, c); err != nil {
			return err
		}
	}
	r.changed = nil
	return nil
}

// withJobs leaves out of many changes those for which there is no job.
func withJobs(ctx context.Context, jobs *Jobs, changed []change) ([]change, error) {
	if len(changed) <= fewChanges {
		return changed, nil // each is asked for
	}
	all, err := jobs.List(ctx)
	known := make(map[destination.ID]bool, len(all))
	for _, job := range all {
		known[job.Of()] = true
	}
	return slices.DeleteFunc(changed, func(c change) bool { return !known[c.id] }), err
}

// outdateAll holds every job against what is in force.
func (s *Service) outdateAll(ctx context.Context) error {
	jobs, err := s.jobs(ctx)
	if err != nil {
		return err
	}
	all, err := jobs.List(ctx)
	if err != nil {
		return err
	}
	now := s.Registry.Current()
	for _, job := range all {
		c := change{job.Of(), privacy.Names(now.Get(job.Of()))}
		if len(job.Rules) == 0 || slices.Equal(job.Rules, c.rules) {
			continue
		}
		if err := jobs.outdate(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// outdateTries is how often a job is tried that its runner writes meanwhile.
const outdateTries = 5

// outdate notes that a job's rules are not in force throughout. One that is
// under way begins anew: what it has seen may be followed by worse.
func (j *Jobs) outdate(ctx context.Context, c change) error {
	for range outdateTries {
		job, revision, err := j.Get(ctx, c.id)
		if err != nil || len(job.Rules) == 0 || slices.Equal(job.Rules, c.rules) {
			return ignore(err, ErrNoJob)
		}
		job.Rules = nil
		if job.State == Running {
			job.State, job.Runner, job.Renewed = Wanted, "", time.Time{}
		}
		if _, err = j.put(ctx, &job, revision); !errors.Is(err, queue.ErrConflict) {
			return err
		}
	}
	return nil // it is held against what is in force again and again
}
