package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/queue"
)

// heldSubjects are where a destination's held branches are: in its own line, and
// in those of hosts.
func heldSubjects(id destination.ID) map[string]string {
	return map[string]string{
		queue.StreamHeld:      queue.HeldSubject(id.Tenant, id.Name),
		queue.StreamHeldHosts: queue.HeldHostSubject("*", id.Tenant, id.Name),
	}
}

// held is how many branches are held for a destination.
func (d *Destinations) held(ctx context.Context, id destination.ID) (total uint64, err error) {
	for _, subject := range heldSubjects(id) {
		n, err := d.Conn.HeldCount(ctx, subject)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// purge deletes what is held for a destination, and returns about how many.
func (d *Destinations) purge(ctx context.Context, id destination.ID) (total uint64, err error) {
	for stream, subject := range heldSubjects(id) {
		n, err := d.Conn.HeldCount(ctx, subject)
		if err != nil {
			return total, err
		}
		if n == 0 {
			continue
		}
		store, err := d.Conn.Store(ctx, stream)
		if err != nil {
			return total, err
		}
		state, err := store.State(ctx)
		if err != nil {
			return total, err
		}
		if err := store.Purge(ctx, subject, state.LastSequence); err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// inventory is what there is of a destination beside its entry.
type inventory struct {
	held   uint64
	status health.Status
	dead   map[string]uint64 // by reason
}

func (d *Destinations) inventory(ctx context.Context, id destination.ID) (inv inventory, err error) {
	if inv.held, err = d.held(ctx, id); err != nil {
		return inv, err
	}
	if inv.status, _, err = d.status(ctx, id); err != nil {
		return inv, err
	}
	counts, err := deadletter.NewReader(d.Conn).Counts(ctx, deadletter.Filter{Tenant: id.Tenant, Destination: id.Name})
	inv.dead = make(map[string]uint64, len(counts))
	for key, n := range counts {
		inv.dead[key.Reason] += n
	}
	return inv, err
}

// status is a destination's health as the fleet shares it, with its revision in
// the bucket; 0 where it is healthy.
func (d *Destinations) status(ctx context.Context, id destination.ID) (s health.Status, revision uint64, err error) {
	return d.statusAt(ctx, id.String())
}

func (d *Destinations) statusAt(ctx context.Context, key string) (s health.Status, revision uint64, err error) {
	s.State = health.Healthy
	bucket, err := d.Conn.Bucket(ctx, queue.BucketState)
	if err != nil {
		return s, 0, err
	}
	e, err := bucket.Get(ctx, key)
	if err != nil || e.Deleted {
		return s, 0, err
	}
	if json.Unmarshal(e.Value, &s) != nil {
		return health.Status{State: health.Healthy}, e.Revision, nil // another version's
	}
	return s, e.Revision, nil
}

func (inv inventory) write(out io.Writer, id destination.ID, now time.Time) error {
	state := string(inv.status.State)
	if inv.status.Reason != "" && inv.status.State != health.Healthy {
		state += ": " + why(DestinationHealth{Reason: inv.status.Reason, Status: inv.status.Code, Detail: inv.status.Detail})
	}
	if !inv.status.Since.IsZero() {
		state += ", since " + ago(now, inv.status.Since)
	}
	fmt.Fprintf(out, "  health        %s\n  held          %s\n", state, thousands(inv.held))
	total, parts := uint64(0), []string{}
	for _, reason := range slices.SortedFunc(maps.Keys(inv.dead), func(a, b string) int {
		return cmp.Or(cmp.Compare(inv.dead[b], inv.dead[a]), cmp.Compare(a, b))
	}) {
		total += inv.dead[reason]
		parts = append(parts, reason+" "+thousands(inv.dead[reason]))
	}
	if total == 0 {
		_, err := fmt.Fprintln(out, "  dead letters  0")
		return err
	}
	_, err := fmt.Fprintf(out, "  dead letters  %s (%s), which stay: hogcast dead list --tenant %s --destination %s\n",
		thousands(total), strings.Join(parts, ", "), id.Tenant, id.Name)
	return err
}

// forget removes what the fleet knows of a destination for which nothing is held
// any more: its state, its wake-up, the consumer of its drain.
func (d *Destinations) forget(ctx context.Context, id destination.ID) error {
	states, err := d.Conn.Bucket(ctx, queue.BucketState)
	if err != nil {
		return err
	}
	if _, revision, err := d.status(ctx, id); err != nil {
		return err
	} else if revision != 0 {
		if err := states.Delete(ctx, id.String(), revision); err != nil && !errors.Is(err, queue.ErrConflict) {
			return err
		}
	}
	if err := d.Conn.EndDrain(ctx, queue.HeldSubject(id.Tenant, id.Name)); err != nil {
		return err
	}
	wakeups, err := d.Conn.Store(ctx, queue.StreamWakeups)
	if err != nil {
		return err
	}
	last, err := wakeups.Last(ctx, queue.WakeupSubject(id.Tenant, id.Name))
	if errors.Is(err, queue.ErrNoMessage) {
		return nil
	}
	if err != nil {
		return err
	}
	return wakeups.Delete(ctx, last.Sequence)
}
