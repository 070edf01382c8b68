package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Two jobs that run over the same letters would send them twice. Who runs is in
// one key, so that compare-and-set lets only one of two that start at once in.
const claimsKey = "_replays"

type claim struct {
	ID     string            `json:"id"`
	Filter deadletter.Filter `json:"filter"`
}

// claimTries bounds how often a claim is tried against others at once, and
// claimPause the pause before it is tried again.
const (
	claimTries = 100
	claimPause = 20 * time.Millisecond
)

// claim enters a running job, or says with ErrBusy which one is in its way.
func (j *Jobs) claim(ctx context.Context, job *Job) error {
	return j.change(ctx, func(claims []claim) ([]claim, error) {
		kept := make([]claim, 0, len(claims)+1)
		for _, c := range claims {
			other, err := j.Get(ctx, c.ID)
			switch {
			case errors.Is(err, ErrNoJob), err == nil && other.State != Running, c.ID == job.ID:
				continue // it ended without saying so here
			case err != nil:
				return nil, err
			case c.Filter.Overlaps(job.Filter):
				return nil, j.inTheWay(&other)
			}
			kept = append(kept, c)
		}
		return append(kept, claim{job.ID, job.Filter}), nil
	})
}

func (j *Jobs) inTheWay(other *Job) error {
	if other.Stalled(time.Now(), j.lease) {
		return fmt.Errorf("%w: job %s (%s) has a part of these letters, and its runner %s is gone: finish it with `hogcast replay resume %s`, or `hogcast replay cancel %s`",
			ErrBusy, other.ID, other.Filter, other.Runner, other.ID, other.ID)
	}
	return fmt.Errorf("%w: job %s (%s) is running over a part of these letters: wait for it, or `hogcast replay pause %s`",
		ErrBusy, other.ID, other.Filter, other.ID)
}

// release takes a job out again.
func (j *Jobs) release(ctx context.Context, id string) error {
	return j.change(ctx, func(claims []claim) ([]claim, error) {
		return slices.DeleteFunc(claims, func(c claim) bool { return c.ID == id }), nil
	})
}

func (j *Jobs) change(ctx context.Context, how func([]claim) ([]claim, error)) error {
	var err error
	for range claimTries {
		if err = j.changeOnce(ctx, how); !errors.Is(err, queue.ErrConflict) {
			return err
		}
		select { // many at once would only get in each other's way again
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(rand.N(claimPause)): //nolint:gosec // spreads load, guards nothing
		}
	}
	return err
}

func (j *Jobs) changeOnce(ctx context.Context, how func([]claim) ([]claim, error)) error {
	entry, err := j.bucket.Get(ctx, claimsKey)
	if err != nil {
		return err
	}
	var claims []claim
	if !entry.Deleted {
		if err := json.Unmarshal(entry.Value, &claims); err != nil {
			return fmt.Errorf("%s: %w", claimsKey, err)
		}
	}
	if claims, err = how(claims); err != nil {
		return err
	}
	value, err := json.Marshal(claims)
	if err != nil {
		return err
	}
	_, err = j.bucket.Put(ctx, claimsKey, value, entry.Revision)
	return err
}
