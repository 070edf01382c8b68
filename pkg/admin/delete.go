package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/registry"
)

// DeleteParams say what to delete.
type DeleteParams struct {
	SetParams
	// Drain waits until nothing is held before it deletes.
	Drain bool
	// MoveTo is another destination of the tenant that gets what is held; "":
	// it becomes dead letters.
	MoveTo  string
	Timeout time.Duration // of draining; 0: none
	Confirm Confirm
	// Progress, if set, is told of what is done of all.
	Progress func(done, all uint64)
}

// Delete shows what is held for a destination, asks, and deletes it. What is
// held becomes dead letters (destination_deleted) by the workers' hands, unless
// it is drained or moved.
func (d *Destinations) Delete(ctx context.Context, p DeleteParams) error {
	now, err := d.get(ctx, p.ID)
	if err != nil {
		return err
	}
	if p.ID.Tenant == destination.AnyTenant && (p.Drain || p.MoveTo != "") {
		return fmt.Errorf("%s: what a default holds is held for each tenant by its own name, and can neither be drained nor moved by the default's", p.ID)
	}
	to, err := d.other(ctx, p)
	if err != nil {
		return err
	}
	inv, err := d.inventory(ctx, p.ID)
	if err != nil {
		return err
	}
	if err := d.writeDoomed(now, inv, p); err != nil {
		return err
	}
	if p.Drain && inv.held > 0 {
		if err := drains(now, inv); err != nil {
			return err
		}
	}
	if err := p.Confirm.Ask("Delete %s? Type yes: ", p.ID); err != nil {
		return err
	}
	if p.Drain {
		if err := d.drain(ctx, p, inv.held); err != nil {
			return err
		}
	}
	err = d.Store.Delete(ctx, registry.Delete{ID: p.ID, Expect: revisionOf(now, p.Revision), By: d.By, Note: fateNote(p, inv.held)})
	if err = d.settled(err); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(d.Out, "deleted %s\n", p.ID); err != nil {
		return err
	}
	return d.bury(ctx, p, to)
}

// other is the destination that gets what is held.
func (d *Destinations) other(ctx context.Context, p DeleteParams) (*destination.Destination, error) {
	if p.MoveTo == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	id := destination.ID{Tenant: p.ID.Tenant, Name: p.MoveTo}
	if id == p.ID {
		return nil, fmt.Errorf("%s can't move to itself", id)
	}
	to, err := d.get(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case to.Destination == nil, to.Problem != nil && !to.Destination.Privacy.UserHashKey.Empty():
		// Its rules decide what may be kept for it.
		return nil, fmt.Errorf("%s can't be read, and so gets nothing: %w", id, to.Problem)
	case !to.Destination.Enabled:
		return nil, fmt.Errorf("%s is disabled, and so gets nothing", id)
	}
	return to.Destination, nil
}

func (d *Destinations) writeDoomed(now *registry.Stored, inv inventory, p DeleteParams) error {
	what := "an entry that can't be read"
	if to := now.Destination; to != nil {
		what = fmt.Sprintf("%s, key %s", to.Endpoint, to.APIKey.Masked())
	}
	fmt.Fprintf(d.Out, "%s: %s; revision %d%s\n", p.ID, what, now.Revision, written(versionOf(now)))
	if err := inv.write(d.Out, p.ID, time.Now()); err != nil {
		return err
	}
	if p.ID.Tenant == destination.AnyTenant {
		_, err := fmt.Fprintln(d.Out, "what it holds for tenants without destinations of their own is counted with each of them (hogcast health), and becomes dead letters")
		return err
	}
	if inv.held == 0 {
		return nil
	}
	fate := "becomes dead letters (destination_deleted) within some minutes; --held drain waits for its delivery, --held move=NAME moves it to another"
	switch {
	case p.Drain:
		fate = "is waited for until it is delivered"
	case p.MoveTo != "":
		fate = "moves to " + p.ID.Tenant + "." + p.MoveTo + ", under that one's privacy rules"
	}
	_, err := fmt.Fprintf(d.Out, "what is held %s\n", fate)
	return err
}

func fateNote(p DeleteParams, held uint64) string {
	switch {
	case p.Drain:
		return "drained before"
	case held == 0:
		return "nothing was held"
	case p.MoveTo != "":
		return branches(held) + " to be moved to " + p.MoveTo
	}
	return branches(held) + " to become dead letters"
}

// drains says why what is held would never be delivered.
func drains(now *registry.Stored, inv inventory) error {
	id := now.ID
	switch {
	case now.Problem != nil:
		return fmt.Errorf("--held drain: %s can't be read, and so delivers nothing: %w", id, now.Problem)
	case !now.Destination.Enabled:
		return fmt.Errorf("--held drain: %s is disabled, and so delivers nothing; enable it first, or choose another fate", id)
	case now.Destination.Paused:
		return fmt.Errorf("--held drain: %s is paused, and so delivers nothing; resume it first, or choose another fate", id)
	case inv.status.Reason == outcome.Guarded && inv.status.Blocked():
		return fmt.Errorf("--held drain: %s is held by the poison guard; release it first, or choose another fate", id)
	}
	return nil
}

// ErrStillHeld says that not everything was delivered in time, and so nothing
// was deleted.
var ErrStillHeld = errors.New("still held, and so nothing was deleted")

// drain waits until nothing is held. One that is broken is probed now.
func (d *Destinations) drain(ctx context.Context, p DeleteParams, most uint64) error {
	if s, revision, err := d.status(ctx, p.ID); err != nil {
		return err
	} else if s.Blocked() {
		if err := d.probeNow(ctx, p.ID, s, revision); err != nil {
			return err
		}
	}
	if p.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.Timeout)
		defer cancel()
	}
	for {
		left, err := d.held(ctx, p.ID)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			return err
		case left == 0:
			return nil
		}
		most = max(most, left)
		if p.Progress != nil {
			p.Progress(most-left, most)
		}
		if sleep(ctx, wakeLook) != nil {
			return fmt.Errorf("%s: %s: %w; hogcast health tells why they are", p.ID, branches(left), ErrStillHeld)
		}
	}
}

// bury sees to what is left of a destination that is deleted.
func (d *Destinations) bury(ctx context.Context, p DeleteParams, to *destination.Destination) error {
	if to != nil {
		if err := d.move(ctx, p, to); err != nil {
			return fmt.Errorf("%w; what was not moved becomes dead letters: move them with hogcast replay --tenant %s --destination %s --to %s --move",
				err, p.ID.Tenant, p.ID.Name, to.Name)
		}
	}
	left, err := d.held(ctx, p.ID)
	if err != nil {
		return err
	}
	if left == 0 {
		return d.forget(ctx, p.ID)
	}
	_, err = fmt.Fprintf(d.Out, "%s become dead letters once workers are sure that it is gone, in about 2 minutes; then: hogcast dead list --tenant %s --destination %s\n",
		branches(left), p.ID.Tenant, p.ID.Name)
	return errors.Join(err, d.rouse(ctx, p.ID))
}
