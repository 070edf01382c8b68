package pipeline

import (
	"context"
	"sync"

	"github.com/cenkalti/backoff/v4"
	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
)

// Asker is asked for a tenant's destinations before a record is taken for one
// of a tenant that has none: the registry may not have heard of them yet.
type Asker interface {
	// Asked reports whether it was asked lately, so that what is known counts.
	Asked(tenant string) bool
	Ask(ctx context.Context, tenant string) error
}

// asksAtOnce bounds the questions under way.
const asksAtOnce = 16

// asking holds the records that wait for an answer, by tenant. How many is
// bounded by the window of what is in hand.
type asking struct {
	mu      sync.Mutex
	waiting map[string][]func(error)
	slots   chan struct{}
}

func (a *asking) init() {
	a.waiting, a.slots = make(map[string][]func(error)), make(chan struct{}, asksAtOnce)
}

// join has done told of the answer; first: nobody has asked yet.
func (a *asking) join(tenant string, done func(error)) (first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, asked := a.waiting[tenant]
	a.waiting[tenant] = append(a.waiting[tenant], done)
	return !asked
}

func (a *asking) leave(tenant string) []func(error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.waiting[tenant]
	delete(a.waiting, tenant)
	return all
}

// known reports whether what the registry says of a tenant counts: it has
// destinations of its own, or was asked for just now.
func (h *Handler) known(tenant string) bool {
	return h.Asker == nil || h.Registry.Current().Own(tenant) || h.Asker.Asked(tenant)
}

// ask asks for the destinations of a record's tenant, and then routes it. One
// that gets no answer while the worker runs is handed back.
func (h *Handler) ask(j *job, r *record.Record) {
	first := h.asking.join(r.Tenant, func(err error) {
		if err != nil {
			j.finish(branchInterrupted)
			return
		}
		h.route(j, r)
	})
	if !first {
		return
	}
	h.keep.stores.Go(func() {
		h.asking.slots <- struct{}{}
		err := h.insistOnAnswer(r.Tenant, h.live(j.message))
		<-h.asking.slots
		for _, done := range h.asking.leave(r.Tenant) {
			done(err)
		}
	})
}

func (h *Handler) insistOnAnswer(tenant string, live func() bool) error {
	told := false
	return backoff.Retry(func() error {
		if !live() {
			return backoff.Permanent(errAbandoned)
		}
		ctx, cancel := context.WithTimeout(h.keep.base, storeLimit)
		defer cancel()
		err := h.Asker.Ask(ctx, tenant)
		if err != nil && !told && h.keep.base.Err() == nil {
			told = true
			h.Logger.Warn("a tenant's destinations can't be asked for; its records wait", zap.String("tenant", tenant), zap.Error(err))
		}
		return err
	}, backoff.WithContext(insistBackoff(), h.keep.base))
}

// homeless makes the letter of a record whose tenant has no destination. Where
// it has one that can't be read, nobody knows what that would forbid: the
// letter keeps what Privacy Mode leaves.
func (h *Handler) homeless(j *job, r *record.Record) deadletter.Letter {
	l := j.letter(outcome.NoDestination, j.message.Data)
	if h.Registry.Current().AnyPrivate(r.Tenant) {
		strictest := privacy.RulesOf(&destination.Destination{PrivacyMode: true})
		privacy.Keep(&l.Envelope, j.message.Data, r, strictest)
	}
	return l
}
