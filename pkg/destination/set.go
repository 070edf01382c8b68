package destination

import (
	"cmp"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
)

// Set is an immutable snapshot of all destinations. The zero Set is empty and
// ready to use. Of 10,000 tenants one can be changed in about 5 µs (With).
type Set struct {
	// shards hold the tenants; nil where there is none. A change copies the list
	// of shards (8 KiB) and one shard: with 100,000 tenants some 100 entries.
	shards []shard
	len    int    // destinations
	order  uint64 // of the latest tenant
	// unreadable entries whose tenant can't be told.
	unreadable int
	standIns   *standIns // nil: no defaults
}

type shard map[string]*tenantOf

// tenantOf is what there is of one tenant; immutable once its Set is made.
type tenantOf struct {
	order uint64 // of its appearance
	list  []*Destination
	// unreadable are the names of its entries that can't be read, of which a
	// last good version may be in the list.
	unreadable []string
}

const shardCount = 1024

var seed = maphash.MakeSeed()

func shardOf(tenant string) uint64 { return maphash.String(seed, tenant) % shardCount }

// NewSet makes a snapshot. Of two destinations with one ID the later wins;
// loaders refuse duplicates before.
func NewSet(all []*Destination) *Set {
	changes := make([]Change, len(all))
	for i, d := range all {
		changes[i] = Change{ID: d.ID, To: d}
	}
	return (&Set{}).With(changes...)
}

// Change is what has become of one entry.
type Change struct {
	// ID of the entry; its Name is "" where that can't be told, its Tenant ""
	// where not even that.
	ID ID
	// To is in force from now on; nil: none.
	To *Destination
	// Unreadable: there is an entry that can't be read, so that nobody knows what
	// it would forbid. To is its last good version, or nil.
	Unreadable bool
}

// With is the snapshot after these changes. Its cost grows with the number of
// the changes, not of the destinations.
func (s *Set) With(changes ...Change) *Set {
	next := &Set{}
	if s != nil {
		*next = *s
	}
	if len(changes) == 0 {
		return next
	}
	b := builder{Set: next, tenants: make(map[string]*tenantOf, len(changes)), copied: make(map[uint64]bool)}
	if b.shards == nil {
		b.shards = make([]shard, shardCount)
	} else {
		b.shards = slices.Clone(b.shards)
	}
	for _, c := range changes {
		b.change(c)
	}
	for name, t := range b.tenants {
		if len(t.list) == 0 && len(t.unreadable) == 0 {
			delete(b.shards[shardOf(name)], name)
		}
	}
	if b.tenants[AnyTenant] != nil && next.standIns != nil {
		next.standIns = &standIns{}
	}
	return next
}

// WithDefaults is the snapshot in which the destinations of AnyTenant stand in
// for those of every tenant that has no entry of its own.
func (s *Set) WithDefaults() *Set {
	next := s.With()
	next.standIns = &standIns{}
	return next
}

// builder is a Set in the making, and what of it is its own already.
type builder struct {
	*Set
	tenants map[string]*tenantOf
	copied  map[uint64]bool
}

func (b *builder) change(c Change) {
	if c.ID.Tenant == "" {
		if c.Unreadable {
			b.unreadable++
		}
		return
	}
	t := b.own(c.ID.Tenant)
	t.unreadable = slices.DeleteFunc(t.unreadable, func(name string) bool { return name == c.ID.Name })
	if c.Unreadable {
		t.unreadable = append(t.unreadable, c.ID.Name)
	}
	at := slices.IndexFunc(t.list, func(d *Destination) bool { return d.Name == c.ID.Name })
	switch {
	case c.To == nil && at >= 0:
		t.list = slices.Delete(t.list, at, at+1)
		b.len--
	case c.To != nil && at >= 0:
		t.list[at] = c.To
	case c.To != nil:
		t.list = append(t.list, c.To)
		b.len++
	}
}

// own is the tenant in the making.
func (b *builder) own(tenant string) *tenantOf {
	if t := b.tenants[tenant]; t != nil {
		return t
	}
	i := shardOf(tenant)
	if !b.copied[i] {
		b.copied[i] = true
		if b.shards[i] = maps.Clone(b.shards[i]); b.shards[i] == nil {
			b.shards[i] = shard{}
		}
	}
	t := &tenantOf{}
	if old := b.shards[i][tenant]; old != nil {
		*t = tenantOf{old.order, slices.Clone(old.list), slices.Clone(old.unreadable)}
	} else {
		b.order++
		t.order = b.order
	}
	b.shards[i][tenant], b.tenants[tenant] = t, t
	return t
}

func (s *Set) tenant(name string) *tenantOf {
	if s == nil || s.shards == nil {
		return nil
	}
	return s.shards[shardOf(name)][name]
}

// Of returns the tenant's destinations, in the order of the configuration; of
// one without any the defaults, where the Set has them. The caller must not
// change the slice.
func (s *Set) Of(tenant string) []*Destination {
	t := s.tenant(tenant)
	if t != nil {
		return t.list // of an entry that can't be read too: it has its own
	}
	return s.defaultsOf(tenant)
}

// Own reports whether the tenant has destinations of its own.
func (s *Set) Own(tenant string) bool {
	t := s.tenant(tenant)
	return t != nil && len(t.list) > 0
}

// Get returns one destination, also where a default stands in for it; nil where
// there is none of that ID.
func (s *Set) Get(id ID) *Destination {
	for _, d := range s.Of(id.Tenant) {
		if d.Name == id.Name {
			return d
		}
	}
	return nil
}

// Unreadable reports whether there is an entry for the destination that can't
// be read: it is not gone, whatever Get says.
func (s *Set) Unreadable(id ID) bool {
	t := s.tenant(id.Tenant)
	return t != nil && (slices.Contains(t.unreadable, id.Name) || slices.Contains(t.unreadable, "")) ||
		s != nil && s.unreadable > 0
}

// AnyUnreadable reports whether the tenant has an entry that can't be read, or
// may have.
func (s *Set) AnyUnreadable(tenant string) bool {
	t := s.tenant(tenant)
	return t != nil && len(t.unreadable) > 0 || s != nil && s.unreadable > 0
}

// All yields every destination, tenant by tenant, in the order of the
// configuration; of defaults, themselves alone.
func (s *Set) All() iter.Seq[*Destination] {
	return func(yield func(*Destination) bool) {
		if s == nil {
			return
		}
		var all []*tenantOf
		for _, shard := range s.shards {
			all = slices.AppendSeq(all, maps.Values(shard))
		}
		slices.SortFunc(all, func(a, b *tenantOf) int { return cmp.Compare(a.order, b.order) })
		for _, t := range all {
			for _, d := range t.list {
				if !yield(d) {
					return
				}
			}
		}
	}
}

// AnyPrivate reports whether any destination of the tenant has a privacy rule:
// what can't be read can't be made private, and so must not be kept. An entry
// that can't be read may have one.
func (s *Set) AnyPrivate(tenant string) bool {
	return s.AnyUnreadable(tenant) || slices.ContainsFunc(s.Of(tenant), (*Destination).Private)
}

// Len is the number of destinations.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.len
}
