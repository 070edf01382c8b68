package pipeline

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/routing"
)

// Reroute implements held.Deliverer: a record that the guard has held before it
// could be routed is decoded and routed anew, and held for each destination
// that wants it; or it is a dead letter, where the guard is off.
func (k *Keeper) Reroute(ctx context.Context, d *queue.Delivery, done func(bool)) {
	k.enter(done, func(done func(bool)) { k.reroute(ctx, d, done) })
}

func (k *Keeper) reroute(ctx context.Context, d *queue.Delivery, done func(bool)) {
	_, tenant, _, _ := queue.ParseHeldSubject(d.Subject)
	b, ok := k.open(d, destination.ID{Tenant: tenant}, done)
	if !ok {
		return
	}
	cause := b.e.Detail
	on := k.Health.Guarded(cause)
	if on && !k.Health.GuardTry(ctx, cause) {
		b.end(queue.Again(poisonPause), true)
		return
	}
	if !k.known(tenant) && k.Asker.Ask(ctx, tenant) != nil {
		b.end(queue.Again(backSoon), false)
		return
	}
	raw, r, reason, err := k.readable(b, tenant)
	if on {
		k.Health.GuardTried(cause, err == nil)
	}
	switch {
	case err == nil:
		k.rerouted(b, r, raw)
	case on:
		b.end(queue.Again(poisonPause), true)
	default:
		k.privatise(b.to, b.e)
		describe(b.e, err)
		k.letter(b, reason)
	}
}

var errNoDestination = errors.New("its tenant has no destination")

// readable decodes a record and sees whether anybody may want it.
func (k *Keeper) readable(b *branch, tenant string) ([]byte, *record.Record, outcome.DeadReason, error) {
	raw, r, err := privacy.Decode(b.e)
	if err == nil {
		err = r.CheckTenant(tenant)
	}
	if err != nil {
		return nil, nil, outcome.Malformed, err
	}
	if len(k.Registry.Current().Of(tenant)) == 0 {
		return nil, nil, outcome.NoDestination, errNoDestination
	}
	return raw, r, "", nil
}

// rerouted holds a record for each destination that wants it.
func (k *Keeper) rerouted(b *branch, r *record.Record, raw []byte) {
	var wanted []routing.Decision
	for _, d := range routing.Route(r, k.Registry.Current().Of(r.Tenant)) {
		if d.Deliver() {
			wanted = append(wanted, d)
		}
	}
	left, failed := atomic.Int32{}, atomic.Bool{}
	left.Store(int32(len(wanted)) + 1) //nolint:gosec // a tenant's destinations are few
	finish := func(_ outcome.End, err error) {
		if err != nil {
			failed.Store(true)
		}
		switch {
		case left.Add(-1) > 0:
		case failed.Load():
			b.end(queue.Again(backSoon), false)
		default:
			b.end(queue.Ack(), true)
		}
	}
	for _, d := range wanted {
		e := *b.e
		e.Reason, e.Detail, e.Field, e.Encoding = string(outcome.Guarded), "", "", ""
		privacy.Keep(&e, raw, r, k.rulesOf(d.Destination))
		k.hold(held.Branch{To: d.Destination.ID, From: b.from, Envelope: e}, b.live, finish)
	}
	finish("", nil)
}

// describe writes an error into an envelope, with the field at fault.
func describe(e *envelope.Envelope, err error) {
	e.Detail = err.Error()
	if malformed, ok := errors.AsType[*record.Malformed](err); ok {
		e.Field, e.Detail = malformed.Field, malformed.Problem
	}
}

// letterFor makes the letter of a held branch.
func letterFor(b *branch, reason outcome.DeadReason) deadletter.Letter {
	return deadletter.Letter{Tenant: b.to.Tenant, Destination: b.to.Name, Reason: reason, Envelope: *b.e, From: b.from}
}
