package posthog

import (
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

const (
	// keepClients is how many SDK clients a busy destination keeps between
	// Sends; a burst beyond it makes some for itself.
	keepClients = 4
	// sweepsPerIdle: a destination that was not used for this part of
	// IdleAfter keeps one client only.
	sweepsPerIdle = 8
)

// poolKey names a version of a destination: another revision has another key
// or endpoint, and so other clients.
type poolKey struct {
	id       destination.ID
	revision string
}

// pool holds the clients of one destination that no Send uses.
type pool struct {
	key     poolKey
	place   *list.Element // in clientCache.recent
	used    time.Time
	idle    []*client // the last used at the end
	dropped bool      // clients that come back are closed
}

// clientCache keeps the clients of at most max destinations. A client belongs
// to one Send at a time, so that the messages of two never mix in its queue.
type clientCache struct {
	max       int
	idleAfter time.Duration
	now       func() time.Time

	sends  sync.WaitGroup
	mu     sync.Mutex
	closed bool
	pools  map[poolKey]*pool
	recent *list.List // of *pool; the last used in front
}

func newClientCache(limit int, idleAfter time.Duration, now func() time.Time) *clientCache {
	return &clientCache{
		max: limit, idleAfter: idleAfter, now: now,
		pools: make(map[poolKey]*pool), recent: list.New(),
	}
}

// enter announces a Send, until leave; false once the cache is closed.
func (c *clientCache) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.sends.Add(1)
	}
	return !c.closed
}

func (c *clientCache) leave() { c.sends.Done() }

// take hands out a client for one Send on one path.
func (c *clientCache) take(x *exchange, p path) (*client, error) {
	found, from, victims := c.lookUp(x.key, p)
	closeAll(victims)
	if found != nil {
		return found, nil
	}
	return newClient(x.dest, p, from)
}

func (c *clientCache) lookUp(key poolKey, p path) (*client, *pool, []*client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, ok := c.pools[key]
	var victims []*client
	if ok {
		c.recent.MoveToFront(from.place)
	} else {
		if len(c.pools) >= c.max {
			victims = c.drop(c.recent.Back())
		}
		from = &pool{key: key}
		from.place = c.recent.PushFront(from)
		c.pools[key] = from
	}
	from.used = c.now()
	for i, found := range slices.Backward(from.idle) {
		if found.path == p {
			from.idle = slices.Delete(from.idle, i, i+1)
			return found, from, victims
		}
	}
	return nil, from, victims
}

// give takes a client back; one that is not reusable is closed.
func (c *clientCache) give(cl *client, reusable bool) {
	if !reusable || !c.keep(cl) {
		cl.close()
	}
}

func (c *clientCache) keep(cl *client) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	home := cl.home
	if c.closed || home.dropped || len(home.idle) >= keepClients {
		return false
	}
	home.idle = append(home.idle, cl)
	home.used = c.now()
	return true
}

// sweep drops the destinations that were idle for long, and leaves one client
// to those that have been idle for a while.
func (c *clientCache) sweep() { closeAll(c.sweepOut()) }

func (c *clientCache) sweepOut() []*client {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	var victims []*client
	for place := c.recent.Back(); place != nil; {
		next := place.Prev()
		p, _ := place.Value.(*pool)
		switch idle := now.Sub(p.used); {
		case idle < c.idleAfter/sweepsPerIdle:
			return victims // all before it are younger
		case idle >= c.idleAfter:
			victims = append(victims, c.drop(place)...)
		case len(p.idle) > 1:
			last := len(p.idle) - 1
			victims = append(victims, p.idle[:last]...)
			p.idle = []*client{p.idle[last]}
		}
		place = next
	}
	return victims
}

// drop forgets a pool and returns the clients to close. Those in use are
// closed when they come back.
func (c *clientCache) drop(place *list.Element) []*client {
	p, _ := c.recent.Remove(place).(*pool)
	delete(c.pools, p.key)
	victims := p.idle
	p.idle, p.dropped = nil, true
	return victims
}

// close waits for the Sends in flight and closes every client.
func (c *clientCache) close() {
	c.mu.Lock()
	c.closed = true
	var victims []*client
	for c.recent.Len() > 0 {
		victims = append(victims, c.drop(c.recent.Back())...)
	}
	c.mu.Unlock()
	closeAll(victims)
	c.sends.Wait()
}

func closeAll(clients []*client) {
	for _, cl := range clients {
		cl.close()
	}
}
