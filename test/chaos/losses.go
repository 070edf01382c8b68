package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hogcast/hogcast/test/chaos/plan"
)

// losses keeps to what three replicas promise: of a node that loses its store
// everything is on the other two, as long as both are current when it goes, and
// stay until it is current again. Whatever else harms nodes may overlap.
type losses struct {
	mu    sync.Mutex
	harms int
	lost  bool
}

// errSkipped says that a step was left out: it would have been a second loss.
var errSkipped = errors.New("left out: another node is not current")

// begin begins a harm, or a loss, unless that would make two.
func (l *losses) begin(loss bool) (end func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost || loss && l.harms > 0 {
		return nil, false
	}
	if loss {
		l.lost = true
		return func() { l.done(func() { l.lost = false }) }, true
	}
	l.harms++
	return func() { l.done(func() { l.harms-- }) }, true
}

func (l *losses) done(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// harmWait is how long a step waits until it may begin; a loss until the others
// are current.
const harmWait = 5 * time.Second

// harm plays a step that harms nodes, once it may.
func (p *player) harm(ctx context.Context, s plan.Step) error {
	loss := s.Verb == plan.LoseNode
	var end func()
	bounded, cancel := context.WithTimeout(ctx, harmWait)
	defer cancel()
	begun := poll(bounded, 100*time.Millisecond, func() (ok bool) {
		if end, ok = p.losses.begin(loss); !ok {
			return false
		}
		if loss && !p.cluster.current(bounded) {
			end()
			return false
		}
		return true
	})
	if !begun {
		return errSkipped
	}
	defer end()
	return p.node(ctx, s)
}
