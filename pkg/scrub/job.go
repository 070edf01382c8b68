// Package scrub rewrites what is stored of a destination whose privacy rules
// have become stricter: its held branches and its dead letters pass the rules of
// the day. Layer 4: rules, dead letters and the held streams meet here. Service
// owns no goroutine; Run does the work of the fleet that nobody else does.
package scrub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
)

// State is where a job is.
type State string

// The states. Wanted waits for a worker.
const (
	Wanted    State = "wanted"
	Running   State = "running"
	Done      State = "done"
	Cancelled State = "cancelled"
)

// Job is one destination's scrub as it is kept in the bucket of jobs.
type Job struct {
	Version     int      `json:"version"`
	Kind        string   `json:"kind"`
	Tenant      string   `json:"tenant"`
	Destination string   `json:"destination"`
	Rules       []string `json:"rules"` // that it brings into force, as envelopes name them
	State       State    `json:"state"`
	By          string   `json:"by,omitempty"` // who asked for it; "": a change of the rules
	// Runner is who does it, and Renewed when that one last said so: its lease.
	Runner  string    `json:"runner,omitempty"`
	Renewed time.Time `json:"renewed,omitzero"`
	Created time.Time `json:"created"`
	Ended   time.Time `json:"ended,omitzero"`
	Error   string    `json:"error,omitempty"` // of the last try, which is made again
	Tally
}

// Tally counts messages.
type Tally struct {
	Total     uint64 `json:"total"`     // that were stored when it began
	Looked    uint64 `json:"looked"`    // at
	Rewritten uint64 `json:"rewritten"` // among them
	Withheld  uint64 `json:"withheld"`  // of these, unreadable: they keep size and SHA-256
	Foreign   uint64 `json:"foreign"`   // another version's, which this build can't read: left
}

const (
	jobVersion = 1
	jobKind    = "scrub"
	keyPrefix  = "scrub."
	// lease is how long a runner may be silent before another goes on.
	lease = 20 * time.Second
)

// ID is the job's key.
func (j *Job) ID() string { return keyPrefix + j.Tenant + "." + j.Destination }

// Of names the destination.
func (j *Job) Of() destination.ID { return destination.ID{Tenant: j.Tenant, Name: j.Destination} }

// stalled reports that the job's runner has gone.
func (j *Job) stalled(now time.Time) bool { return j.State == Running && now.Sub(j.Renewed) > lease }

// due reports whether somebody has to run the job.
func (j *Job) due(now time.Time) bool { return j.State == Wanted || j.stalled(now) }

// Jobs are the scrubs of a bucket, one a destination.
type Jobs struct{ bucket *queue.Bucket }

// NewJobs makes it.
func NewJobs(b *queue.Bucket) *Jobs { return &Jobs{b} }

// ErrNoJob says that there is no scrub of that destination.
var ErrNoJob = errors.New("no such scrub")

// Get reads a destination's job, and its revision; ErrNoJob where there is none.
func (j *Jobs) Get(ctx context.Context, id destination.ID) (Job, uint64, error) {
	e, err := j.bucket.Get(ctx, keyPrefix+id.String())
	if err != nil {
		return Job{}, 0, err
	}
	job, ok := parse(e)
	if !ok {
		return Job{}, e.Revision, fmt.Errorf("scrub of %s: %w", id, ErrNoJob)
	}
	return job, e.Revision, nil
}

// List reads every job, by tenant and destination.
func (j *Jobs) List(ctx context.Context) ([]Job, error) {
	var all []Job
	err := j.bucket.Known(ctx, keyPrefix+">", func(e queue.Entry) {
		if job, ok := parse(e); ok {
			all = append(all, job)
		}
	})
	slices.SortFunc(all, func(a, b Job) int { return cmp.Compare(a.ID(), b.ID()) })
	return all, err
}

// Ask has the workers scrub a destination, whether or not they did it before.
// One that is running is left to run.
func (j *Jobs) Ask(ctx context.Context, id destination.ID, by string) (Job, error) {
	have, revision, err := j.Get(ctx, id)
	switch {
	case err == nil && have.State == Running && !have.stalled(time.Now()):
		return have, nil
	case err != nil && !errors.Is(err, ErrNoJob):
		return have, err
	}
	want := Job{Tenant: id.Tenant, Destination: id.Name, State: Wanted, By: by, Created: time.Now()}
	_, err = j.put(ctx, &want, revision)
	return want, err
}

// Cancel ends a job that is not done; its runner notices within seconds.
func (j *Jobs) Cancel(ctx context.Context, id destination.ID) (Job, error) {
	for {
		job, revision, err := j.Get(ctx, id)
		if err != nil || job.State == Done || job.State == Cancelled {
			return job, err
		}
		job.State, job.Ended = Cancelled, time.Now()
		if _, err = j.put(ctx, &job, revision); !errors.Is(err, queue.ErrConflict) {
			return job, err
		}
	}
}

func (j *Jobs) put(ctx context.Context, job *Job, last uint64) (uint64, error) {
	job.Version, job.Kind = jobVersion, jobKind
	value, err := json.Marshal(job)
	if err != nil {
		return 0, fmt.Errorf("scrub of %s: %w", job.Of(), err)
	}
	return j.bucket.Put(ctx, job.ID(), value, last)
}

func parse(e queue.Entry) (job Job, ok bool) {
	if e.Deleted || !strings.HasPrefix(e.Key, keyPrefix) {
		return job, false
	}
	err := json.Unmarshal(e.Value, &job)
	return job, err == nil && job.Kind == jobKind && job.Version == jobVersion
}
