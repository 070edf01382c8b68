package registry

import (
	"context"
	"errors"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Replayable reads what is in the bucket now for who puts branches into HELD:
// an entry that can't be read, or can't hash users for want of its key, is
// unreadable in the set, and told of with its tenant. The set is nil where the
// bucket holds none.
func (s *Store) Replayable(ctx context.Context) (*destination.Set, []*Stored, error) {
	all, err := s.List(ctx, "")
	if err != nil || len(all) == 0 {
		return nil, nil, err
	}
	var bad []*Stored
	changes := make([]destination.Change, 0, len(all))
	for _, one := range all {
		c := destination.Change{ID: one.ID, To: one.Destination}
		if d := c.To; d == nil || d.SecretUnreadable && !d.Privacy.UserHashKey.Empty() {
			c.To, c.Unreadable = nil, true
			bad = append(bad, one)
		}
		changes = append(changes, c)
	}
	return (&destination.Set{}).With(changes...), bad, nil
}

// Snapshot reads what is in the bucket now as a worker would have it, but for
// last good versions: of a bad entry nothing is in it, and it counts as
// unreadable. defaults has the destinations of the tenant `_` stand in, as
// workers with --default-destination have it. The problems are of the entries
// that are not in it, or whose secret can't be decrypted.
func (s *Store) Snapshot(ctx context.Context, defaults bool) (*destination.Set, []EntryProblem, error) {
	all, err := s.List(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	var problems []EntryProblem
	changes := make([]destination.Change, len(all))
	for i, one := range all {
		bad := one.Problem != nil && !errors.Is(one.Problem, ErrSecretUnreadable)
		changes[i] = destination.Change{ID: one.ID, To: one.Destination, Unreadable: bad}
		if one.Problem != nil {
			problems = append(problems, EntryProblem{Where: one.where(), Problem: one.Problem.Error(), Revision: one.Revision})
		}
	}
	set := (&destination.Set{}).With(changes...)
	if defaults {
		set = set.WithDefaults()
	}
	return set, problems, nil
}
