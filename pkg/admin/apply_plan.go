package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
)

func (a *applying) plan(ctx context.Context) error {
	stored, err := a.d.Store.List(ctx, a.p.Tenant)
	if err != nil {
		return err
	}
	there := make(map[destination.ID]*registry.Stored, len(stored))
	for _, s := range stored {
		there[s.ID] = s
	}
	a.bad()
	var planning errgroup.Group
	planning.SetLimit(plansAtOnce)
	for _, dest := range a.p.Loaded.Destinations {
		one := &Applied{Tenant: dest.Tenant, Destination: dest.Name, id: dest.ID, now: there[dest.ID]}
		a.all = append(a.all, one)
		delete(there, dest.ID)
		planning.Go(func() error { return a.planOne(ctx, one, dest) })
	}
	if err := planning.Wait(); err != nil {
		return err
	}
	if a.p.Prune {
		err = a.prune(ctx, there)
	}
	slices.SortStableFunc(a.all, func(x, y *Applied) int {
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Destination, y.Destination))
	})
	return err
}

// bad tells of the entries that can't be read.
func (a *applying) bad() {
	for _, p := range a.p.Loaded.Problems {
		a.all = append(a.all, &Applied{Action: actBad, Result: resFailed, Error: p.Error()})
	}
}

func (a *applying) planOne(ctx context.Context, one *Applied, dest *destination.Destination) error {
	whole, err := a.d.check(ctx, dest, revisionOf(one.now, nil))
	one.Action = actUpdate
	if one.now == nil {
		one.Action = actCreate
	}
	switch {
	case errors.Is(err, registry.ErrPlain) && a.p.DryRun:
	case errors.Is(err, registry.ErrInvalid), errors.Is(err, registry.ErrConflict):
		one.fail(err)
		return nil
	case err != nil:
		return err
	}
	one.whole, one.Result = whole, resPlanned
	was := destinationOf(one.now)
	one.Changes = Changes(was, whole)
	if len(one.Changes) == 0 && one.now != nil && one.now.Problem == nil {
		one.Action, one.Result, one.Revision = actUnchanged, resUnchanged, one.now.Revision
	}
	one.tests = was == nil || connectionOf(was) != connectionOf(whole)
	return nil
}

func (o *Applied) fail(err error) {
	o.Result, o.Error = resFailed, strings.ReplaceAll(err.Error(), "\n", "; ")
}

// connectionOf is what a test of a connection depends on.
func connectionOf(d *destination.Destination) string {
	return fmt.Sprintf("%q %q %q %q %q", d.Endpoint, d.APIKey.Reveal(), d.Protocol, d.Region, d.CA)
}

// prune plans to delete what was not loaded. While some entries can't be read
// nobody can tell which those are.
func (a *applying) prune(ctx context.Context, there map[destination.ID]*registry.Stored) error {
	switch {
	case len(a.p.Loaded.Condemned) > 0:
		a.all = append(a.all, &Applied{Action: actBad, Result: resFailed, Error: "nothing is pruned while an entry can't be read: it may be one that is to stay"})
		return nil
	case len(a.p.Loaded.Destinations) == 0:
		return fmt.Errorf("--prune: no destination%s is left in the file, so that all would be deleted; delete them by name", ofTenant(a.p.Tenant))
	}
	for id, s := range there {
		held, err := a.d.held(ctx, id)
		if err != nil {
			return err
		}
		a.all = append(a.all, &Applied{
			Tenant: id.Tenant, Destination: id.Name, Action: actDelete, Result: resPlanned, Held: held,
			Revision: s.Revision, Changes: nil, id: id, now: s,
		})
	}
	return nil
}
