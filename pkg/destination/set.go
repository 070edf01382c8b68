package destination

import "iter"

// Set is an immutable snapshot of all destinations. The zero Set is empty and
// ready to use.
type Set struct {
	byTenant map[string][]*Destination
	byID     map[ID]*Destination
	all      []*Destination // in the order of the configuration
}

// NewSet makes a snapshot. Of two destinations with one ID the later wins;
// loaders refuse duplicates before.
func NewSet(all []*Destination) *Set {
	index := make(map[ID]int, len(all))
	s := &Set{byTenant: make(map[string][]*Destination), byID: make(map[ID]*Destination, len(all)), all: make([]*Destination, 0, len(all))}
	for _, d := range all {
		s.byID[d.ID] = d
		if i, ok := index[d.ID]; ok {
			s.all[i] = d
			continue
		}
		index[d.ID] = len(s.all)
		s.all = append(s.all, d)
	}
	for _, d := range s.all {
		s.byTenant[d.Tenant] = append(s.byTenant[d.Tenant], d)
	}
	return s
}

// Of returns the tenant's destinations, in the order of the configuration.
// The caller must not change the slice.
func (s *Set) Of(tenant string) []*Destination {
	if s == nil {
		return nil
	}
	return s.byTenant[tenant]
}

// Get returns one destination; nil where there is none of that ID.
func (s *Set) Get(id ID) *Destination {
	if s == nil {
		return nil
	}
	return s.byID[id]
}

// All yields every destination, in the order of the configuration.
func (s *Set) All() iter.Seq[*Destination] {
	return func(yield func(*Destination) bool) {
		if s == nil {
			return
		}
		for _, d := range s.all {
			if !yield(d) {
				return
			}
		}
	}
}

// AnyPrivate reports whether any destination of the tenant is private: what
// can't be read can't be made private, and so must not be kept.
func (s *Set) AnyPrivate(tenant string) bool {
	for _, d := range s.Of(tenant) {
		if d.PrivacyMode {
			return true
		}
	}
	return false
}

// Len is the number of destinations.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.all)
}
