package held

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

const (
	// drainBudget is how long one turn drains before another may go on.
	drainBudget = 30 * time.Second
	drainPull   = 256
	// drainWait is how long a pull waits: nothing within it, and nothing in
	// hand, says that there is no more.
	drainWait = 300 * time.Millisecond
	// acksLook, acksLooks: how often, and how many times, the end of a drain is
	// looked for while the last acks are on their way.
	acksLook  = 50 * time.Millisecond
	acksLooks = 10
	// inHandMost bounds the branches of one turn that are on their way.
	inHandMost = 4096
)

// flight counts what a turn has on its way.
type flight struct {
	mu      sync.Mutex
	landed  *sync.Cond
	n       int
	refused atomic.Bool // the destination did not take one
}

func newFlight() *flight {
	f := &flight{}
	f.landed = sync.NewCond(&f.mu)
	return f
}

func (f *flight) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
}

func (f *flight) done(taken bool) {
	if !taken {
		f.refused.Store(true)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n--
	f.landed.Broadcast()
}

// below waits until fewer than n are on their way. It always ends: each has a
// deadline.
func (f *flight) below(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.n >= n {
		f.landed.Wait()
	}
}

// drain delivers what is held, oldest first, below live traffic, until there
// is no more, the budget is used up, or a destination does not take it.
func (t turn) drain(ctx context.Context) (next, error) {
	left, err := t.Conn.HeldCount(ctx, t.held)
	if err != nil || left == 0 {
		return empty, err // many are woken at once of which few hold anything
	}
	if !t.enter(t.host) {
		return sleep(jittered(soon)), nil
	}
	defer t.leave(t.host)
	if over, next, err := t.suspects(ctx, t.dispatch); !over {
		return next, err
	}
	source, err := t.Conn.DrainSource(ctx, t.Hand, t.Window, t.held)
	if err != nil {
		return 0, err
	}
	f := newFlight()
	defer func() { f.below(1) }()
	marked := false
	defer func() {
		if marked {
			t.Board.Draining(t.id, false)
		}
	}()
	for end := time.Now().Add(drainBudget); ctx.Err() == nil && time.Now().Before(end); {
		f.below(inHandMost)
		// Never for more than there are: the pull would wait for them.
		n, err := source.Pull(ctx, int(min(drainPull, left)), drainWait, func(d *queue.Delivery) { t.dispatch(ctx, handling{t.Deliverer, d, f}) })
		if err != nil {
			return 0, err
		}
		left -= min(left, uint64(n)) //nolint:gosec // never negative
		if n > 0 && !marked && t.host == "" {
			marked = true
			t.Board.Draining(t.id, true)
		}
		if n > 0 && left > 0 && !f.refused.Load() {
			continue
		}
		f.below(1)
		if f.refused.Load() {
			return t.asleep(ctx, soon)
		}
		if left, err = source.Outstanding(ctx); err != nil {
			return 0, err
		}
		if n == 0 || left == 0 {
			return t.drained(ctx, source)
		}
	}
	return passOn, nil
}

// handling is one pulled branch, and who takes it over.
type handling struct {
	via Deliverer
	d   *queue.Delivery
	f   *flight
}

// dispatch sends one pulled branch on its way.
func (t turn) dispatch(ctx context.Context, h handling) (more bool) {
	d, f := h.d, h.f
	if ctx.Err() != nil || f.refused.Load() && t.host == "" {
		t.Hand.Settle(d, queue.Again(backSoon))
		return false
	}
	_, tenant, name, _ := queue.ParseHeldSubject(d.Subject)
	id := destination.ID{Tenant: tenant, Name: name}
	to := t.sendable(id)
	f.start()
	switch {
	case to == nil && t.host != "":
		h.via.Move(d, id, f.done)
	case to == nil:
		t.Hand.Settle(d, queue.Again(backSoon))
		f.done(false)
	case time.Since(d.Time) >= t.holdMax(to):
		h.via.Bury(d, outcome.Expired, f.done)
	default:
		h.via.Deliver(d, to, f.done)
	}
	return true
}

// drained is the end of a drain that finds no more: what is left is asleep, or
// was in the hands of a worker that is gone, or its ack has not arrived yet.
func (t turn) drained(ctx context.Context, source *queue.Source) (next, error) {
	for try := 0; ; try++ {
		left, err := source.Outstanding(ctx)
		stored := uint64(0)
		if err == nil && left == 0 {
			stored, err = t.Conn.HeldCount(ctx, t.held)
		}
		switch {
		case err != nil:
			return 0, err
		case left == 0 && stored == 0:
			if err := t.Conn.EndDrain(ctx, t.held); err != nil {
				t.log.Debug("a drain's consumer stays until it is idle", zap.Error(err))
			}
			return empty, nil
		case try == acksLooks || ctx.Err() != nil:
			if left == 0 {
				t.undeleted(stored)
			}
			return sleep(soon), nil
		}
		pause(ctx, acksLook)
	}
}

// undeleted says once that the server does not delete what was acknowledged, as
// one does whose disk has been full. The drain's consumer stays, for it knows what
// was: another would have all of it delivered again.
func (t turn) undeleted(stored uint64) {
	t.mu.Lock()
	told := t.told[t.held]
	t.told[t.held] = true
	t.mu.Unlock()
	if !told {
		t.log.Error("NATS does not delete what is delivered; was its disk full? It may have to be restarted",
			zap.String("subject", t.held), zap.Uint64("acknowledged", stored))
	}
}

// deal hands what is held to use, oldest first, until there is no more or use
// says that it wants none. use tells the flight of what it keeps.
func (t turn) deal(ctx context.Context, use use) (next, error) {
	left, err := t.Conn.HeldCount(ctx, t.held)
	if err != nil || left == 0 {
		return empty, err
	}
	if over, next, err := t.suspects(ctx, use); !over {
		return next, err
	}
	source, err := t.Conn.DrainSource(ctx, t.Hand, t.Window, t.held)
	if err != nil {
		return 0, err
	}
	f := newFlight()
	defer func() { f.below(1) }()
	for more := true; more && ctx.Err() == nil && !f.refused.Load(); {
		n, err := source.Pull(ctx, drainPull, drainWait, func(d *queue.Delivery) {
			more = use(ctx, handling{t.Deliverer, d, f}) && more
		})
		if err != nil {
			return 0, err
		}
		f.below(1)
		if n == 0 {
			return t.drained(ctx, source)
		}
	}
	return sleep(soon), nil
}

// reroute routes anew what was held before it could be routed.
func (t turn) reroute(ctx context.Context) (next, error) {
	return t.deal(ctx, func(ctx context.Context, h handling) bool {
		h.f.start()
		if time.Since(h.d.Time) >= t.HoldMax {
			h.via.Bury(h.d, outcome.Expired, h.f.done)
			return true
		}
		h.via.Reroute(ctx, h.d, h.f.done)
		return true
	})
}

// buryAll makes dead letters of what is held, oldest first, while which says so
// of its time.
func (t turn) buryAll(ctx context.Context, reason outcome.DeadReason, which func(time.Time) bool) (next, error) {
	return t.deal(ctx, func(ctx context.Context, h handling) bool {
		if !which(h.d.Time) || ctx.Err() != nil {
			t.Hand.Settle(h.d, queue.Again(backSoon))
			return false
		}
		h.f.start()
		h.via.Bury(h.d, reason, h.f.done)
		return true
	})
}
