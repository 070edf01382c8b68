// Package replay gives dead letters another try: it moves them back into the
// held stream, as jobs that can be paused, resumed and cancelled from anywhere.
// Layer 4: here dead letters, destinations and the held stream meet. A Runner
// owns the goroutines that move letters; they have ended when Start or Resume
// returns.
package replay

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
)

// State is where a job is.
type State string

// The states.
const (
	Running   State = "running"
	Paused    State = "paused"
	Cancelled State = "cancelled"
	Done      State = "done"
	Failed    State = "failed"
)

// Wish is what somebody asks of the runner of a job.
type Wish string

// The wishes; a runner grants them within a few seconds.
const (
	Pause  Wish = "pause"
	Cancel Wish = "cancel"
)

// state is where a granted wish leads.
func (w Wish) state() State {
	if w == Cancel {
		return Cancelled
	}
	return Paused
}

// Spec is what a job is to do.
type Spec struct {
	// Filter chooses the letters. A job is for those that were there when it was
	// created: a letter that dies again meanwhile is not replayed in a circle.
	Filter deadletter.Filter `json:"filter"`
	// To is another destination of the filter's tenant; "": each letter's own.
	// With To the letters stay, unless Move is set.
	To   string  `json:"to,omitempty"`
	Move bool    `json:"move,omitempty"`
	Rate float64 `json:"rate"` // letters a second; 0: as fast as they are taken
}

// Validate reports what can't be done.
func (s Spec) Validate() error {
	errs := []error{s.Filter.Validate()}
	add := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	add(s.Rate < 0 || math.IsNaN(s.Rate) || math.IsInf(s.Rate, 0), "rate: %v is no number of letters a second", s.Rate)
	add(s.Move && s.To == "", "move: letters move to another destination only; say which with --to")
	add(s.To != "" && !destination.ValidName(s.To), "to: %q is no name of a destination", s.To)
	add(s.To != "" && (s.Filter.Tenant == "" || s.Filter.Tenant == queue.NoToken), "to: a destination is one of a tenant's; say which tenant with --tenant")
	add(s.To != "" && s.To == s.Filter.Destination, "to: %q is where these letters belong already; leave --to out", s.To)
	return errors.Join(errs...)
}

// keeps reports whether letters stay where they are.
func (s Spec) keeps() bool { return s.To != "" && !s.Move }

// Tally counts letters by what became of them.
type Tally struct {
	Replayed uint64            `json:"replayed"`
	Branches uint64            `json:"branches"` // messages put into HELD; a letter for no destination may make several
	Bytes    uint64            `json:"bytes"`
	Gone     uint64            `json:"gone,omitempty"`        // deleted by others meanwhile
	Past     uint64            `json:"past_window,omitempty"` // of Replayed, older than ContentWindow
	Skipped  map[Reason]uint64 `json:"skipped,omitempty"`     // letters that stay, by why
}

// Letters is how many have been dealt with.
func (t Tally) Letters() uint64 { return t.Replayed + t.Gone + t.skipped() }

func (t Tally) skipped() (n uint64) {
	for _, count := range t.Skipped {
		n += count
	}
	return n
}

// copy is one that can be added to, whatever becomes of t.
func (t Tally) copy() Tally {
	if t.Skipped = maps.Clone(t.Skipped); t.Skipped == nil {
		t.Skipped = map[Reason]uint64{}
	}
	return t
}

// Job is a replay as it is kept in the bucket.
type Job struct {
	Version int    `json:"version"`
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	State   State  `json:"state"`
	Wish    Wish   `json:"wish,omitempty"`
	Spec
	Total   uint64    `json:"total"` // letters that matched when it was created
	Created time.Time `json:"created"`
	// Runner is who runs it, and Renewed when that one last said so: its lease.
	Runner  string    `json:"runner"`
	Renewed time.Time `json:"renewed"`
	Ended   time.Time `json:"ended,omitzero"`
	Error   string    `json:"error,omitempty"` // why it failed
	Tally   Tally     `json:"tally"`
	// Cursors are the last finished sequences, by `<tenant>.<destination>`: for
	// letters that stay, which a resumed job must not look at again.
	Cursors map[string]uint64 `json:"cursors,omitempty"`
}

const (
	jobVersion = 1
	jobKind    = "replay"
)

// maxCursors bounds what a job keeps of them: a letter that is replayed goes,
// so that its cursor only saves looking.
const maxCursors = 1000

// newID names a job: when, and something that no other has.
func newID(now time.Time) string {
	var random [3]byte
	_, _ = rand.Read(random[:]) // never fails
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(random[:])
}

// Stalled reports whether the job's runner has not renewed its lease.
func (j *Job) Stalled(now time.Time, lease time.Duration) bool {
	return j.State == Running && now.Sub(j.Renewed) > lease
}

// over reports whether the job can't go on.
func (j *Job) over() bool { return j.State == Done || j.State == Cancelled || j.State == Failed }
