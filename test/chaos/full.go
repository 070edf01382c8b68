package main

import (
	"context"
	"sync"
	"time"
)

// unreadyWithin is when a worker has to say that it is not ready, at the
// latest, where nothing is stored any more: a pull waits for 10 s, and for its
// answer, before it counts as unanswered.
const unreadyWithin = 17 * time.Second

// fillAll fills every disk for a while, and looks at what publishers and
// workers make of it: no record is acknowledged, and no worker is ready.
func (p *player) fillAll(ctx context.Context, d time.Duration) error {
	full, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { p.watchFull(full) })
	return p.cluster.fillAll(ctx, d)
}

func (p *player) watchFull(full context.Context) {
	began, acked := time.Now(), p.oracle.Acknowledged()
	silent := began // since then
	for pause(full, time.Second) {
		now := p.oracle.Acknowledged()
		if now > acked {
			silent = time.Now()
		}
		ready := p.fleet.countReady(full)
		p.tell("all disks full for %.0fs: %d records acknowledged meanwhile, %d workers ready", time.Since(began).Seconds(), now-acked, ready)
		acked = now
		if ready > 0 && full.Err() == nil && time.Since(silent) > unreadyWithin {
			p.oracle.Report("ready_in_vain", "all", "%d workers are ready, %s after the last record was stored", ready, time.Since(silent))
			return
		}
	}
}
