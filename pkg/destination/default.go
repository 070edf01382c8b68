package destination

import "sync"

// maxStandIns bounds the tenants whose stand-ins are remembered: about
// 4096 × 600 B. They are made anew where they were forgotten.
const maxStandIns = 4096

// standIns remembers the destinations that are made of the defaults, so that a
// tenant has the same ones while nothing changes.
type standIns struct {
	mu       sync.RWMutex
	byTenant map[string][]*Destination
}

// defaultsOf makes a tenant's destinations of the defaults: its own by their
// IDs, and so by uuid, state and held work.
func (s *Set) defaultsOf(tenant string) []*Destination {
	if s == nil || s.standIns == nil || !ValidName(tenant) {
		return nil
	}
	defaults := s.tenant(AnyTenant)
	if defaults == nil {
		return nil
	}
	s.standIns.mu.RLock()
	list, ok := s.standIns.byTenant[tenant]
	s.standIns.mu.RUnlock()
	if ok {
		return list
	}
	return s.standIns.add(tenant, defaults.list)
}

func (c *standIns) add(tenant string, defaults []*Destination) []*Destination {
	c.mu.Lock()
	defer c.mu.Unlock()
	if list, ok := c.byTenant[tenant]; ok {
		return list
	}
	if c.byTenant == nil || len(c.byTenant) >= maxStandIns {
		c.byTenant = make(map[string][]*Destination)
	}
	list := make([]*Destination, len(defaults))
	for i, d := range defaults {
		own := *d
		own.Tenant = tenant
		list[i] = &own
	}
	c.byTenant[tenant] = list
	return list
}
