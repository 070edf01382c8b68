package destination

// Set is an immutable snapshot of all destinations. The zero Set is empty and
// ready to use.
type Set struct {
	byTenant map[string][]*Destination
	count    int
}

// NewSet makes a snapshot. Of two destinations with one ID the later wins;
// loaders refuse duplicates before.
func NewSet(all []*Destination) *Set {
	byID := make(map[ID]int, len(all))
	kept := make([]*Destination, 0, len(all))
	for _, d := range all {
		if i, ok := byID[d.ID]; ok {
			kept[i] = d
			continue
		}
		byID[d.ID] = len(kept)
		kept = append(kept, d)
	}
	s := &Set{byTenant: make(map[string][]*Destination), count: len(kept)}
	for _, d := range kept {
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
	return s.count
}
