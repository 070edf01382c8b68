package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
)

// SetParams say what to switch.
type SetParams struct {
	ID       destination.ID
	Revision *uint64 // the one that it is a change of; nil: the one that is there
}

// Enable has a destination take events again.
func (d *Destinations) Enable(ctx context.Context, p SetParams) error {
	return d.set(ctx, p, "enabled", func(to *destination.Destination) bool {
		changed := !to.Enabled
		to.Enabled = true
		return changed
	})
}

// Pause has everything for a destination held until it is resumed.
func (d *Destinations) Pause(ctx context.Context, p SetParams) error {
	return d.set(ctx, p, "paused", func(to *destination.Destination) bool {
		changed := !to.Paused
		to.Paused = true
		return changed
	})
}

// DisableParams say what to disable.
type DisableParams struct {
	SetParams
	Discard bool    // what is held; else it is kept
	Confirm Confirm // of what is discarded
}

// Disable has a destination take no events: what comes for it is filtered. What
// is held for it stays, or is discarded.
func (d *Destinations) Disable(ctx context.Context, p DisableParams) error {
	held, err := d.held(ctx, p.ID)
	if err != nil {
		return err
	}
	if p.Discard && held > 0 {
		if err := p.Confirm.Ask("Disable %s and discard %s for good? Type yes: ", p.ID, branches(held)); err != nil {
			return err
		}
	}
	if err := d.set(ctx, p.SetParams, "disabled", func(to *destination.Destination) bool {
		changed := to.Enabled
		to.Enabled = false
		return changed
	}); err != nil {
		return err
	}
	switch {
	case p.Discard:
		return d.discard(ctx, p.ID)
	case held > 0:
		_, err = fmt.Fprintf(d.Out, "%s stay until it is enabled again, or they expire; --held discard deletes them\n", branches(held))
	}
	return err
}

// setTries is how often a switch is tried that others are in the way of.
const setTries = 5

// set changes one setting, whoever changes others meanwhile. change reports
// whether it was another.
func (d *Destinations) set(ctx context.Context, p SetParams, what string, change func(*destination.Destination) bool) error {
	for try := 1; ; try++ {
		now, err := d.get(ctx, p.ID)
		if err != nil {
			return err
		}
		if now.Destination == nil {
			return fmt.Errorf("%s: its entry is bad, so that only put and delete can mend it: %w", p.ID, now.Problem)
		}
		if errors.Is(now.Problem, registry.ErrSecretUnreadable) {
			return fmt.Errorf("%w; without its key it could not be kept: give the master keys with --secrets-key-file", now.Problem)
		}
		next := *now.Destination
		if !change(&next) {
			_, err := fmt.Fprintf(d.Out, "%s is %s already\n", p.ID, what)
			return err
		}
		saved, err := d.Store.Put(ctx, registry.Put{Destination: &next, Expect: revisionOf(now, p.Revision), By: d.By, Note: what})
		if errors.Is(err, registry.ErrConflict) && p.Revision == nil && try < setTries {
			continue
		}
		if err = d.settled(err); err != nil {
			return err
		}
		_, err = fmt.Fprintf(d.Out, "%s is %s, revision %d\n", p.ID, what, saved.Revision)
		return err
	}
}

// inForce is how long workers take at most to learn of a change.
const inForce = 2 * time.Second

// discard deletes what is held for a destination that is disabled, and what
// comes until workers have learned of that.
func (d *Destinations) discard(ctx context.Context, id destination.ID) error {
	var total uint64
	for range 2 {
		n, err := d.purge(ctx, id)
		total += n
		if err == nil {
			err = sleep(ctx, inForce)
		}
		if err != nil {
			return errors.Join(err, d.discarded(ctx, id, total))
		}
	}
	if err := d.discarded(ctx, id, total); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.Out, "%s discarded\n", branches(total))
	return errors.Join(err, d.forget(ctx, id))
}

func (d *Destinations) discarded(ctx context.Context, id destination.ID, n uint64) error {
	if n == 0 {
		return nil
	}
	return d.note(ctx, audit.Record{
		Action: audit.HeldDiscarded, Tenant: id.Tenant, Destination: id.Name, Note: branches(n) + " discarded",
	})
}
