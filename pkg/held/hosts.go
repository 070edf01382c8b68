package held

import (
	"context"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/queue"
)

// takeHost is the turn at what is held for a host that was down as a whole: one
// probe for all, then everything in the order of the stream.
func (t turn) takeHost(ctx context.Context) (next, error) {
	status := func() health.Status { return t.Board.HostStatus(t.host) }
	if !status().Blocked() {
		return t.drain(ctx)
	}
	if err := t.expireHost(ctx); err != nil {
		return 0, err
	}
	return t.revive(ctx, status, t.standIn)
}

// sendable finds a destination that may be sent to now.
func (t turn) sendable(id destination.ID) *destination.Destination {
	to := t.Registry.Current().Get(id)
	if to == nil || to.Paused || !to.Enabled || to.SecretUnreadable || t.Board.Status(to).Blocked() {
		return nil
	}
	return to
}

// standIn finds the held branch by which the host is probed: the oldest of
// those that may be sent. Others before it are held for themselves then, and
// there is none this time.
func (t turn) standIn(ctx context.Context) (queue.StoredMessage, *destination.Destination, error) {
	oldest, err := t.Conn.Oldest(ctx, t.held)
	if err != nil {
		return oldest, nil, err
	}
	_, tenant, name, _ := queue.ParseHeldSubject(oldest.Subject)
	to := t.Registry.Current().Get(destination.ID{Tenant: tenant, Name: name})
	if t.standsIn(to) {
		return oldest, to, nil
	}
	return oldest, nil, t.moveOn(ctx)
}

// standsIn reports whether a destination may be asked how its host does.
func (t turn) standsIn(to *destination.Destination) bool {
	return to != nil && !to.Paused && to.Enabled && !to.SecretUnreadable && queue.HostToken(to.Endpoint) == t.host &&
		t.Board.Status(to).State != health.Held
}

// moveOn takes the head of the stream out of the way of the probe.
func (t turn) moveOn(ctx context.Context) error {
	if over, _, err := t.suspects(ctx, t.moveAside); !over {
		return err
	}
	source, err := t.Conn.DrainSource(ctx, t.Hand, t.Window, t.held)
	if err != nil {
		return err
	}
	f := newFlight()
	defer func() { f.below(1) }()
	_, err = source.Pull(ctx, drainPull, drainWait, func(d *queue.Delivery) { t.moveAside(ctx, handling{t.Deliverer, d, f}) })
	return err
}

// moveAside holds a branch for itself alone whose destination can't stand in for
// its host.
func (t turn) moveAside(_ context.Context, h handling) (more bool) {
	_, tenant, name, _ := queue.ParseHeldSubject(h.d.Subject)
	id := destination.ID{Tenant: tenant, Name: name}
	if t.standsIn(t.Registry.Current().Get(id)) {
		t.Hand.Settle(h.d, queue.Again(backSoon))
		return true
	}
	h.f.start()
	h.via.Move(h.d, id, h.f.done)
	return true
}
