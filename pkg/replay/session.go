package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/queue"
)

// session is a job in its runner's hands. It is for one goroutine.
type session struct {
	jobs     *Jobs
	job      Job
	revision uint64
}

// create makes a job that runs here.
func (j *Jobs) create(ctx context.Context, job Job) (*session, error) {
	job.Version, job.Kind, job.State = jobVersion, jobKind, Running
	job.Created, job.Renewed = time.Now(), time.Now()
	job.ID = newID(job.Created)
	if err := j.prune(ctx, job.Created); err != nil {
		return nil, err
	}
	revision, err := j.put(ctx, &job, 0)
	if err != nil {
		return nil, err
	}
	s := &session{j, job, revision}
	if err := j.claim(ctx, &s.job); err != nil {
		return nil, errors.Join(err, j.bucket.Delete(ctx, job.ID, s.revision))
	}
	return s, nil
}

// take takes a job over that nobody runs.
func (j *Jobs) take(ctx context.Context, id, runner string) (*session, error) {
	job, revision, err := j.load(ctx, id)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	switch {
	case job.over():
		return nil, fmt.Errorf("job %s: %w: it is %s; start another", id, ErrOver, job.State)
	case job.State == Running && !job.Stalled(now, j.lease):
		return nil, fmt.Errorf("job %s: %w: %s runs it and said so %s ago; if that one is dead, try again in %s",
			id, ErrBusy, job.Runner, now.Sub(job.Renewed).Round(time.Second), (j.lease - now.Sub(job.Renewed)).Round(time.Second))
	}
	before := job
	job.State, job.Wish, job.Runner, job.Renewed, job.Ended = Running, "", runner, now, time.Time{}
	if revision, err = j.put(ctx, &job, revision); err != nil {
		return nil, err
	}
	s := &session{j, job, revision}
	if err := j.claim(ctx, &s.job); err != nil {
		before.State = Paused
		_, failed := j.put(ctx, &before, s.revision)
		return nil, errors.Join(err, failed)
	}
	return s, nil
}

// save writes the job and renews the lease. A wish that came meanwhile is in
// the job afterwards. ErrTaken says that the job is somebody else's now.
func (s *session) save(ctx context.Context) error {
	before := s.job.Renewed
	s.job.Renewed = time.Now()
	err := s.write(ctx)
	if err != nil {
		s.job.Renewed = before // it is due still
	}
	return err
}

func (s *session) write(ctx context.Context) error {
	revision, err := s.jobs.put(ctx, &s.job, s.revision)
	if errors.Is(err, queue.ErrConflict) {
		if err := s.merge(ctx); err != nil {
			return err
		}
		revision, err = s.jobs.put(ctx, &s.job, s.revision)
	}
	if err == nil {
		s.revision = revision
	}
	return err
}

// merge takes over what others may change in a running job: its wish; and its
// state, where they took a runner that was slow for one that is gone.
func (s *session) merge(ctx context.Context) error {
	stored, revision, err := s.jobs.load(ctx, s.job.ID)
	switch {
	case errors.Is(err, ErrNoJob), err == nil && stored.Runner != s.job.Runner:
		return fmt.Errorf("job %s: %w", s.job.ID, ErrTaken)
	case err != nil:
		return err
	case s.job.State != Running: // it ends here, whatever is wished
	case stored.State == Running:
		s.job.Wish = stored.Wish
	case stored.State == Cancelled:
		s.job.State, s.job.Wish = Cancelled, Cancel
	default:
		s.job.State, s.job.Wish = Paused, Pause
	}
	s.revision = revision
	return nil
}

// end writes the job's last state here and lets others at its letters.
func (s *session) end(ctx context.Context, state State, why error) error {
	s.job.State, s.job.Wish, s.job.Ended = state, "", time.Now()
	if why != nil {
		s.job.Error = why.Error()
	}
	if err := s.save(ctx); err != nil {
		return err
	}
	return s.jobs.release(ctx, s.job.ID)
}
