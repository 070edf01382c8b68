package held

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
)

const (
	sweepEvery = time.Minute
	// sweepSoon is the first sweep's wait: whoever starts after a crash of all
	// repairs what that left.
	sweepSoon = 5 * time.Second
)

// sweeps compares what is held with the wake-ups that there are, and repairs
// what a crash left between two steps.
func (k *Keeper) sweeps(ctx context.Context) {
	for wait := sweepSoon; ; wait = sweepEvery {
		pause(ctx, jittered(wait))
		if ctx.Err() != nil {
			return
		}
		if err := k.sweep(ctx); err != nil && ctx.Err() == nil {
			k.log.Warn("held work was not swept; trying again", zap.Error(err))
		}
	}
}

// findAgain forgets since when a destination was missing that is there again:
// the next time that it is missing is another.
func (k *Keeper) findAgain() {
	now := k.Registry.Current()
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.missing {
		if now.Get(id) != nil {
			delete(k.missing, id)
		}
	}
}

func (k *Keeper) sweep(ctx context.Context) error {
	k.findAgain()
	if err := k.closeMarks(ctx); err != nil {
		return err
	}
	wakeups, err := k.Conn.CountBySubject(ctx, queue.StreamWakeups, ">")
	if err != nil {
		return err
	}
	want, byTenant, of := map[string]bool{}, map[string]uint64{}, map[destination.ID]bool{}
	for _, stream := range []string{queue.StreamHeld, queue.StreamHeldHosts} {
		held, err := k.Conn.CountBySubject(ctx, stream, ">")
		if err != nil {
			return err
		}
		for subject, n := range held {
			host, tenant, name, ok := queue.ParseHeldSubject(subject)
			byTenant[tenant] += n
			of[destination.ID{Tenant: tenant, Name: name}] = true
			switch {
			case !ok:
			case host != "":
				want[queue.HostWakeupSubject(host)] = true
			default:
				want[queue.WakeupSubject(tenant, name)] = true
			}
		}
	}
	for subject := range want {
		if wakeups[subject] == 0 {
			k.Waker.Wake(subject)
		}
	}
	k.forgets(of)
	if k.Quota == nil {
		return nil
	}
	size, err := k.Conn.StreamSize(ctx, queue.StreamHeld)
	if err != nil {
		return err
	}
	k.Quota.swept(size.Limit, byTenant, size.Usual())
	return nil
}
