package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/queue"
)

// Bucket keeps jobs; writes are compare-and-set. A *queue.Bucket is one.
type Bucket interface {
	Get(ctx context.Context, key string) (queue.Entry, error)
	Put(ctx context.Context, key string, value []byte, last uint64) (uint64, error)
	Delete(ctx context.Context, key string, last uint64) error
	Each(ctx context.Context, use func(queue.Entry)) error
}

// DefaultLease is how long a runner may be silent before its job may be taken
// over.
const DefaultLease = 20 * time.Second

// Jobs are the jobs of a bucket, for those who look at them and ask something
// of them. Other kinds of jobs in it are left alone.
type Jobs struct {
	bucket Bucket
	lease  time.Duration
}

// NewJobs makes it; lease 0 is DefaultLease.
func NewJobs(b Bucket, lease time.Duration) *Jobs {
	if lease <= 0 {
		lease = DefaultLease
	}
	return &Jobs{b, lease}
}

// Errors that callers tell apart.
var (
	// ErrNoJob says that there is no job of that id.
	ErrNoJob = errors.New("no such job")
	// ErrBusy says that another runner has the job, or that a running job has a
	// part of its letters.
	ErrBusy = errors.New("busy")
	// ErrOver says that the job has ended and can't go on.
	ErrOver = errors.New("over")
	// ErrTaken says that somebody else took the job over meanwhile.
	ErrTaken = errors.New("taken over by another runner")
)

// Lease is how long a runner may be silent.
func (j *Jobs) Lease() time.Duration { return j.lease }

// Get reads a job; ErrNoJob where there is none.
func (j *Jobs) Get(ctx context.Context, id string) (Job, error) {
	job, _, err := j.load(ctx, id)
	return job, err
}

func (j *Jobs) load(ctx context.Context, id string) (job Job, revision uint64, err error) {
	if strings.HasPrefix(id, "_") || id == "" {
		return Job{}, 0, fmt.Errorf("job %q: %w", id, ErrNoJob)
	}
	entry, err := j.bucket.Get(ctx, id)
	if err != nil {
		return Job{}, 0, err
	}
	if entry.Deleted {
		return Job{}, 0, fmt.Errorf("job %s: %w; hogcast replay status lists them", id, ErrNoJob)
	}
	if err := json.Unmarshal(entry.Value, &job); err != nil || job.Kind != jobKind || job.Version != jobVersion {
		return Job{}, 0, fmt.Errorf("job %s: %w: none of a replay, or of another version of hogcast", id, ErrNoJob)
	}
	return job, entry.Revision, nil
}

// List reads every replay, the newest first.
func (j *Jobs) List(ctx context.Context) ([]Job, error) {
	var all []Job
	err := j.bucket.Each(ctx, func(e queue.Entry) {
		var job Job
		if json.Unmarshal(e.Value, &job) == nil && job.Kind == jobKind && job.Version == jobVersion {
			all = append(all, job)
		}
	})
	slices.SortFunc(all, func(a, b Job) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	return all, err
}

// Ask asks the job's runner to pause or to cancel, and waits until it has, or
// until its lease has run out: then nobody runs it, and the job is changed here.
func (j *Jobs) Ask(ctx context.Context, id string, wish Wish) (Job, error) {
	tick := time.NewTicker(min(j.lease/20, 500*time.Millisecond))
	defer tick.Stop()
	for {
		job, err := j.ask(ctx, id, wish)
		if err != nil && !errors.Is(err, queue.ErrConflict) || err == nil && job.State != Running {
			return job, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return job, context.Cause(ctx)
		}
	}
}

// ask is one look at the job and, where it has to change, one change.
func (j *Jobs) ask(ctx context.Context, id string, wish Wish) (Job, error) {
	job, revision, err := j.load(ctx, id)
	switch {
	case err != nil:
		return job, err
	case job.over() && job.State != wish.state():
		return job, fmt.Errorf("job %s: %w: it is %s", id, ErrOver, job.State)
	case job.State == wish.state():
		return job, nil
	case job.State == Running && !job.Stalled(time.Now(), j.lease):
		if job.Wish == wish {
			return job, nil
		}
		job.Wish = wish
	default:
		job.State, job.Wish, job.Ended = wish.state(), "", time.Now()
	}
	if _, err := j.put(ctx, &job, revision); err != nil {
		return job, err
	}
	if job.State != Running {
		return job, j.release(ctx, id)
	}
	return job, nil
}

func (j *Jobs) put(ctx context.Context, job *Job, last uint64) (uint64, error) {
	value, err := json.Marshal(job)
	if err != nil {
		return 0, fmt.Errorf("job %s: %w", job.ID, err)
	}
	return j.bucket.Put(ctx, job.ID, value, last)
}

const (
	// Finished jobs are kept for people to look at, within bounds.
	keepFinished = 30 * 24 * time.Hour
	maxFinished  = 200
)

// prune deletes old jobs that are over.
func (j *Jobs) prune(ctx context.Context, now time.Time) error {
	all, err := j.List(ctx)
	if err != nil {
		return err
	}
	finished := 0
	for _, job := range all {
		if !job.over() {
			continue
		}
		if finished++; finished > maxFinished || now.Sub(job.Ended) > keepFinished {
			if err := j.bucket.Delete(ctx, job.ID, 0); err != nil {
				return err
			}
		}
	}
	return nil
}
