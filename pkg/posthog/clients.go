package posthog

import (
	"slices"
	"sync"
	"time"
)

// clients keeps the SDK clients that no Send uses. A client belongs to one Send
// at a time, so that the messages of two never mix in its queue; key and
// endpoint are put in by our round trip, so that what is kept is bounded by the
// requests at once, not by the tenants.
type clients struct {
	most      int // idle ones
	idleAfter time.Duration
	now       func() time.Time

	sends  sync.WaitGroup
	mu     sync.Mutex
	closed bool
	idle   []*client // the last used at the end
}

func newClients(most int, idleAfter time.Duration, now func() time.Time) *clients {
	return &clients{most: most, idleAfter: idleAfter, now: now}
}

// enter announces a Send, until leave; false once the clients are closed.
func (c *clients) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.sends.Add(1)
	}
	return !c.closed
}

func (c *clients) leave() { c.sends.Done() }

// take hands out a client for one Send on one path.
func (c *clients) take(p path) (*client, error) {
	if found := c.find(p); found != nil {
		return found, nil
	}
	return newClient(p)
}

func (c *clients) find(p path) *client {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, found := range slices.Backward(c.idle) {
		if found.path == p {
			c.idle = slices.Delete(c.idle, i, i+1)
			return found
		}
	}
	return nil
}

// give takes a client back; one that is not reusable, or too many, is closed.
func (c *clients) give(cl *client, reusable bool) {
	if !reusable || !c.keep(cl) {
		cl.close()
	}
}

func (c *clients) keep(cl *client) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle) >= c.most {
		return false
	}
	cl.used = c.now()
	c.idle = append(c.idle, cl)
	return true
}

// sweep closes the clients that were idle for long.
func (c *clients) sweep() {
	c.mu.Lock()
	old := 0
	for old < len(c.idle) && c.now().Sub(c.idle[old].used) >= c.idleAfter {
		old++
	}
	victims := slices.Clone(c.idle[:old])
	c.idle = slices.Delete(c.idle, 0, old)
	c.mu.Unlock()
	closeAll(victims)
}

// close waits for the Sends in flight and closes every client.
func (c *clients) close() {
	c.mu.Lock()
	victims := c.idle
	c.closed, c.idle = true, nil
	c.mu.Unlock()
	closeAll(victims)
	c.sends.Wait()
}

func closeAll(all []*client) {
	for _, cl := range all {
		cl.close()
	}
}
