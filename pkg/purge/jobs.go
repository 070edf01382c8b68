package purge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hogcast/hogcast/pkg/queue"
)

// jobs are the jobs that name the tenant. Those that are for it alone go; of
// those that are for all, what they say of it, once they have ended.
func (p *Purge) jobs() place {
	return place{queue.BucketJobs + " (jobs)", func(ctx context.Context, erase bool) (t Tally, err error) {
		bucket, err := p.Conn.Bucket(ctx, queue.BucketJobs)
		if err != nil {
			return t, err
		}
		var entries []queue.Entry
		if err := bucket.Each(ctx, func(e queue.Entry) { entries = append(entries, e) }); err != nil {
			return t, err
		}
		for _, e := range entries {
			if err := p.job(ctx, bucket, e, erase, &t); err != nil {
				return t, err
			}
		}
		return t, nil
	}}
}

// jobTries is how often a job is tried that others change meanwhile.
const jobTries = 5

func (p *Purge) job(ctx context.Context, bucket *queue.Bucket, e queue.Entry, erase bool, t *Tally) error {
	without, fate := withoutTenant(e.Value, p.Tenant)
	if fate == silent {
		return nil
	}
	t.Found++
	for range jobTries {
		var err error
		switch {
		case !erase, fate == silent, fate == busy:
			return nil
		case fate == gone:
			err = bucket.Erase(ctx, e.Key)
		default:
			_, err = bucket.Put(ctx, e.Key, without, e.Revision)
		}
		if err == nil {
			t.Erased++
		}
		if !errors.Is(err, queue.ErrConflict) {
			return err
		}
		if e, err = bucket.Get(ctx, e.Key); err != nil || e.Deleted {
			return err
		}
		without, fate = withoutTenant(e.Value, p.Tenant)
	}
	return fmt.Errorf("job %s: %w", e.Key, queue.ErrConflict)
}

// fate is what becomes of a job.
type fate int

const (
	silent fate = iota // it does not name the tenant
	gone               // it is for the tenant alone
	cut                // it is for others, too
	busy               // the same, and it runs: who writes it would not know itself again
)

// namesTenant is what jobs of every kind have in common.
type namesTenant struct {
	Tenant string `json:"tenant"`
	State  string `json:"state"`
	Filter struct {
		Tenant string `json:"tenant"`
	} `json:"filter"`
	Cursors map[string]json.RawMessage `json:"cursors"`
}

func (n *namesTenant) of(tenant string) bool { return n.Tenant == tenant || n.Filter.Tenant == tenant }

// withoutTenant judges a job, or a list of jobs, and cuts the tenant out of it.
func withoutTenant(value []byte, tenant string) ([]byte, fate) {
	if bytes.HasPrefix(bytes.TrimSpace(value), []byte("[")) {
		return listWithout(value, tenant)
	}
	var job namesTenant
	if json.Unmarshal(value, &job) != nil {
		return nil, silent // no kind of job that anybody has written
	}
	if job.of(tenant) {
		return nil, gone
	}
	named := false
	for key := range job.Cursors {
		if strings.HasPrefix(key, tenant+".") {
			delete(job.Cursors, key)
			named = true
		}
	}
	switch {
	case !named:
		return nil, silent
	case job.State == "running":
		return nil, busy
	}
	var whole map[string]json.RawMessage
	if json.Unmarshal(value, &whole) != nil {
		return nil, silent // can't be: it was read before
	}
	cursors, err := json.Marshal(job.Cursors)
	if err != nil {
		return nil, silent
	}
	whole["cursors"] = cursors
	without, err := json.Marshal(whole)
	if err != nil {
		return nil, silent
	}
	return without, cut
}

func listWithout(value []byte, tenant string) ([]byte, fate) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		return nil, silent
	}
	kept := make([]json.RawMessage, 0, len(list))
	for _, one := range list {
		var job namesTenant
		if json.Unmarshal(one, &job) == nil && job.of(tenant) {
			continue
		}
		kept = append(kept, one)
	}
	without, err := json.Marshal(kept)
	if err != nil || len(kept) == len(list) {
		return nil, silent
	}
	return without, cut
}
