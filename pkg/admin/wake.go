package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
)

const (
	// wakeWait is how long is waited for what a probe comes to: a request has
	// 10 s, and is made within two.
	wakeWait = 12 * time.Second
	// freshWait is the same where nothing is held: events may come, or not.
	freshWait = 3 * time.Second
	wakeLook  = 200 * time.Millisecond
	// wakeAgain: a worker that is woken before it has learned that it may probe
	// puts the wake-up to sleep again.
	wakeAgain = 5
)

// Resume ends a pause, and has a destination that is not healthy probed now. It
// works for destinations in files, too, as far as they are not paused there.
func (d *Destinations) Resume(ctx context.Context, p SetParams) error {
	now, err := d.find(ctx, p.ID)
	if err != nil {
		return err
	}
	if now != nil && now.Destination != nil && now.Destination.Paused {
		return d.set(ctx, p, "resumed", func(to *destination.Destination) bool {
			changed := to.Paused
			to.Paused = false
			return changed
		})
	}
	return d.wake(ctx, p.ID, now)
}

// wake has a destination probed that the fleet counts as broken.
func (d *Destinations) wake(ctx context.Context, id destination.ID, now *registry.Stored) error {
	before, revision, err := d.status(ctx, id)
	switch {
	case err != nil:
		return err
	case now == nil && revision == 0:
		_, err := d.get(ctx, id)
		return err
	case now != nil && now.Destination != nil && !now.Destination.Enabled:
		return fmt.Errorf("%s is disabled, not paused; hogcast destinations enable %s", id, id)
	case before.Reason == outcome.Guarded && before.Blocked():
		return fmt.Errorf("%s is held by the poison guard (%s); hogcast guard release --destination %s", id, before.Detail, id)
	case !before.Blocked():
		return d.healthy(ctx, id)
	}
	if err := d.probeNow(ctx, id, before, revision); err != nil {
		return err
	}
	if err := d.note(ctx, audit.Record{
		Action: audit.DestinationWoken, Tenant: id.Tenant, Destination: id.Name, Note: "was " + stateWords(before),
	}); err != nil {
		d.warn("%s is probed, but that is not in the audit trail: %s", id, err)
	}
	fmt.Fprintf(d.Out, "%s was %s; it is probed now\n", id, stateWords(before))
	return d.awaitProbe(ctx, id)
}

func stateWords(s health.Status) string {
	text := string(s.State)
	if s.Reason != "" {
		text += ": " + string(s.Reason)
	}
	if s.Code != 0 {
		text += fmt.Sprintf(" (%d)", s.Code)
	}
	return text
}

// healthy says why there is nothing to resume.
func (d *Destinations) healthy(ctx context.Context, id destination.ID) error {
	held, err := d.held(ctx, id)
	if err != nil {
		return err
	}
	if held == 0 {
		_, err = fmt.Fprintf(d.Out, "%s is healthy already, and nothing is held for it\n", id)
		return err
	}
	if err := d.Conn.Rouse(ctx, queue.WakeupSubject(id.Tenant, id.Name)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.Out, "%s is healthy already; %s were woken\n", id, branches(held))
	return err
}

// probeNow makes it time for a probe, and wakes who is to make it: what is held
// is not let loose before it has passed.
func (d *Destinations) probeNow(ctx context.Context, id destination.ID, s health.Status, revision uint64) error {
	bucket, err := d.Conn.Bucket(ctx, queue.BucketState)
	if err != nil {
		return err
	}
	s.LastProbe, s.NotBefore, s.Gap = time.Time{}, time.Time{}, health.FirstGap
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := bucket.Put(ctx, id.String(), value, revision); err != nil && !errors.Is(err, queue.ErrConflict) {
		return err // a conflict: a worker has just probed it, or does so now
	}
	return d.Conn.Rouse(ctx, queue.WakeupSubject(id.Tenant, id.Name))
}

// awaitProbe tells what the probe came to, if somebody makes it in time.
func (d *Destinations) awaitProbe(ctx context.Context, id destination.ID) error {
	held, err := d.held(ctx, id)
	if err != nil {
		return err
	}
	wait := wakeWait
	if held == 0 {
		wait = freshWait
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for look := 1; ; look++ {
		if sleep(ctx, wakeLook) != nil {
			return d.unprobed(context.WithoutCancel(ctx), id)
		}
		now, _, err := d.status(ctx, id)
		switch {
		case err != nil:
			return err
		case !now.Blocked():
			_, err := fmt.Fprintf(d.Out, "%s answers: it is %s\n", id, now.State)
			return err
		case !now.LastProbe.IsZero() && !time.Now().Before(now.NotBefore):
			_, err := fmt.Fprintf(d.Out, "%s was probed and stays %s; next probe in %s\n", id, stateWords(now), time.Until(now.NextProbe()).Round(time.Second))
			return errors.Join(err, ErrTestFailed)
		}
		if look%wakeAgain == 0 && now.LastProbe.IsZero() {
			if err := d.Conn.Rouse(ctx, queue.WakeupSubject(id.Tenant, id.Name)); err != nil {
				return err
			}
		}
	}
}

func (d *Destinations) unprobed(ctx context.Context, id destination.ID) error {
	now, _, err := d.status(ctx, id)
	if err != nil {
		return err
	}
	held, err := d.held(ctx, id)
	if err != nil {
		return err
	}
	reason := "no worker has probed it yet"
	switch {
	case !now.LastProbe.IsZero():
		reason = "its probe is still under way"
	case held == 0:
		reason = "nothing is held for it, so that the next event that comes is the probe"
	}
	_, err = fmt.Fprintf(d.Out, "%s: %s; hogcast health shows what comes of it\n", id, reason)
	return err
}
