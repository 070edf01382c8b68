// Package purge erases what hogcast stores of a tenant, or of one end user of
// it: records wherever they are, and of a whole tenant all that is kept of its
// destinations. Layer 4: every stream and bucket meets here. It owns no
// goroutine that outlives a call.
package purge

import (
	"context"
	"errors"
	"fmt"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Params say what is to be erased.
type Params struct {
	Conn   *queue.Conn
	Tenant string
	// User is the end user's id, as records have it; "": all of the tenant.
	User string
	// Hashes are what the id becomes under the destinations' rules.
	Hashes Hashes
	// Unreadable records, whose user can't be told, are erased with the user's.
	Unreadable bool
	// Hashed records, whose user is hashed under a key that is not known here,
	// are erased with the user's.
	Hashed bool
	// Overwrite has the bytes of a whole tenant's records overwritten, too, as
	// those of a user are: one by one, instead of a purge by the server.
	Overwrite bool
	// Progress, if set, is told how many records were looked at, in all places
	// together; of a purge by the server, none.
	Progress func(looked uint64)
}

// Validate reports what can't be erased.
func (p Params) Validate() error {
	var errs []error
	if !destination.ValidName(p.Tenant) {
		errs = append(errs, fmt.Errorf("tenant: %q is no name of a tenant", p.Tenant))
	}
	if p.User == "" && (p.Unreadable || p.Hashed) {
		errs = append(errs, errors.New("user: missing; of a whole tenant everything is erased, whether it can be read or not"))
	}
	return errors.Join(errs...)
}

// Purge is an erasure: counted, and carried out.
type Purge struct {
	Params
	looked uint64
}

// New makes one; it asks nothing yet.
func New(p Params) (*Purge, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("purging: %w", err)
	}
	return &Purge{Params: p}, nil
}

// place is one stream, bucket or kind of consumer.
type place struct {
	name string // as people see it
	// run counts what is there to be erased, and erases it if it is told to.
	run func(ctx context.Context, erase bool) (Tally, error)
}

// places are in the order in which they are emptied: with the stream, so that
// what moves on meanwhile is met further down. First those who would move
// letters up again, and who would write what is erased.
func (p *Purge) places(ctx context.Context) ([]place, error) {
	generations, err := p.Conn.GenerationStreams(ctx)
	if err != nil {
		return nil, err
	}
	var all []place
	if p.User == "" {
		all = append(all, p.jobs(), p.keys(queue.BucketDestinations, "destinations"))
	}
	for _, stream := range generations {
		all = append(all, p.records(stream, queue.GenerationFilters(p.Tenant)...))
	}
	all = append(all,
		p.records(queue.StreamHeld, queue.HeldSubject(p.Tenant, "*")),
		p.records(queue.StreamHeldHosts, queue.HeldHostSubject("*", p.Tenant, "*")),
		p.records(queue.StreamDead, queue.DeadFilter(p.Tenant, "", "")),
	)
	if p.User == "" {
		all = append(all,
			p.matching(queue.StreamWakeups, queue.WakeupSubject(p.Tenant, "*")),
			p.drains(), p.keys(queue.BucketState, "states"))
	}
	return all, nil
}

// records is a stream of records: the user's, or all of the tenant.
func (p *Purge) records(stream string, filters ...string) place {
	bySubject, oneByOne := p.matching(stream, filters...), p.usersOf(stream, filters...)
	return place{stream, func(ctx context.Context, erase bool) (Tally, error) {
		if p.User == "" && (!erase || !p.Overwrite) {
			return bySubject.run(ctx, erase)
		}
		return oneByOne.run(ctx, erase)
	}}
}

// Count counts what there is to be erased, and changes nothing.
func (p *Purge) Count(ctx context.Context) (*Report, error) { return p.run(ctx, false) }

// Erase erases, place by place. What it returns with an error was erased before
// that.
func (p *Purge) Erase(ctx context.Context) (*Report, error) { return p.run(ctx, true) }

func (p *Purge) run(ctx context.Context, erase bool) (*Report, error) {
	r := &Report{Tenant: p.Tenant}
	if p.User != "" {
		r.User = UserMark(p.Tenant, p.User)
	}
	p.looked = 0
	places, err := p.places(ctx)
	if err != nil {
		return r, err
	}
	for _, one := range places {
		tally, err := one.run(ctx, erase)
		r.Places = append(r.Places, Place{Name: one.name, Tally: tally})
		if err != nil {
			return r, fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return r, nil
}

// matching is what of a stream matches by its subject: the server counts and
// purges it, and nobody reads it.
func (p *Purge) matching(stream string, filters ...string) place {
	return place{stream, func(ctx context.Context, erase bool) (t Tally, err error) {
		store, err := p.Conn.Store(ctx, stream)
		if err != nil {
			return t, err
		}
		for _, filter := range filters {
			n, err := p.purge(ctx, store, filter, erase)
			t.Found += n
			if err != nil {
				return t, err
			}
			if erase {
				t.Erased += n
			}
		}
		return t, nil
	}}
}

func (p *Purge) purge(ctx context.Context, store *queue.Store, filter string, erase bool) (n uint64, err error) {
	// The end first: what is counted and comes after it is purged by the next run.
	state, err := store.State(ctx)
	if err != nil {
		return 0, err
	}
	counts, err := store.CountBySubject(ctx, filter)
	if err != nil {
		return 0, err
	}
	for _, count := range counts {
		n += count
	}
	if !erase || n == 0 {
		return n, nil
	}
	return n, store.Purge(ctx, filter, state.LastSequence)
}

// keys are the tenant's keys of a bucket, with their history.
func (p *Purge) keys(name, what string) place {
	return place{name + " (" + what + ")", func(ctx context.Context, erase bool) (t Tally, err error) {
		bucket, err := p.Conn.Bucket(ctx, name)
		if err != nil {
			return t, err
		}
		// A key that is no name of a destination is the tenant's all the same.
		for _, keys := range []string{p.Tenant, p.Tenant + ".>"} {
			kept, err := bucket.Kept(ctx, keys)
			if err != nil {
				return t, err
			}
			for key, n := range kept {
				t.Found += n
				if !erase {
					continue
				}
				if err := bucket.Erase(ctx, key); err != nil {
					return t, err
				}
				t.Erased += n
			}
		}
		return t, nil
	}}
}

// drains are the consumers by which the tenant's held branches are drained.
func (p *Purge) drains() place {
	return place{queue.StreamHeld + " (drains)", func(ctx context.Context, erase bool) (t Tally, err error) {
		subjects, err := p.Conn.Drains(ctx, p.Tenant)
		if err != nil {
			return t, err
		}
		t.Found = uint64(len(subjects))
		for _, subject := range subjects {
			if !erase {
				break
			}
			if err := p.Conn.EndDrain(ctx, subject); err != nil {
				return t, err
			}
			t.Erased++
		}
		return t, nil
	}}
}
