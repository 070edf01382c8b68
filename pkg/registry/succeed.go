package registry

import (
	"github.com/hogcast/hogcast/pkg/destination"
)

// succession is what follows on a snapshot when its files were read again.
type succession struct {
	set     *destination.Set
	changed []destination.ID // others, new, or gone
	kept    int              // of entries with a problem, whose last good version stays
}

// succeed makes the next snapshot: what has not changed stays as it is, pointers
// included, and of an entry that can't be read any more its last good version
// stays in force; where there is none, its branches are held. Where it can't be
// told which entry is bad, all that it might be stay.
func succeed(old *destination.Set, loaded *Loaded) succession {
	var next succession
	there := make(map[destination.ID]bool, len(loaded.Destinations))
	all := make([]*destination.Destination, len(loaded.Destinations))
	for i, d := range loaded.Destinations {
		there[d.ID] = true
		was := old.Get(d.ID)
		if was != nil && was.ID == d.ID && was.Revision() == d.Revision() {
			d = was
		} else {
			next.changed = append(next.changed, d.ID)
		}
		all[i] = d
	}
	bad := condemnedOf(loaded)
	unread := make(map[destination.ID]*destination.Destination, len(loaded.standIns))
	for _, d := range loaded.standIns {
		unread[d.ID] = d
	}
	for d := range old.All() {
		switch {
		case there[d.ID]:
		case d.EntryUnreadable && unread[d.ID] != nil:
		case bad.mayBe(d.ID):
			delete(unread, d.ID)
			all = append(all, d)
			next.kept++
		default:
			next.changed = append(next.changed, d.ID)
		}
	}
	for id, d := range unread {
		if there[id] {
			continue // given twice: the first is in force
		}
		if was := old.Get(id); was != nil && was.Revision() == d.Revision() {
			d = was
		} else {
			next.changed = append(next.changed, id)
		}
		all = append(all, d)
	}
	next.set = destination.NewSet(all)
	next.set = next.set.With(bad.changes(next.set)...)
	return next
}

// condemned are the entries that were left out, by as much of their IDs as
// could be read.
type condemned map[destination.ID]bool

func condemnedOf(loaded *Loaded) condemned {
	bad := make(condemned, len(loaded.Condemned))
	for _, id := range loaded.Condemned {
		bad[id] = true
	}
	return bad
}

func (c condemned) mayBe(id destination.ID) bool {
	return c[id] || c[destination.ID{Tenant: id.Tenant}] || c[destination.ID{}]
}

func (c condemned) changes(set *destination.Set) []destination.Change {
	changes := make([]destination.Change, 0, len(c))
	for id := range c {
		var to *destination.Destination
		if set.Own(id.Tenant) {
			to = set.Get(id)
		}
		changes = append(changes, destination.Change{ID: id, To: to, Unreadable: true})
	}
	return changes
}
