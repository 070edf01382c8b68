package pipeline

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// aloneShare: what is put off for a held suspect goes on for so many times as
// long before the next: nobody else is slowed by much.
const aloneShare = 9

// enter begins a held branch, beside all else, or when no suspect is alone any
// more. done is called once, at its end.
func (k *Keeper) enter(done func(bool), begin func(done func(bool))) {
	if k.tried {
		begin(done)
		return
	}
	k.alone.enter(func() {
		begin(func(taken bool) {
			k.alone.left()
			done(taken)
		})
	})
}

// enterWith is enter for what has ended when it returns.
func (k *Keeper) enterWith(do func()) {
	if k.tried {
		do()
		return
	}
	entered := make(chan struct{})
	k.alone.enter(func() { close(entered) })
	<-entered
	defer k.alone.left()
	do()
}

// Alone implements held.Deliverer.
func (k *Keeper) Alone(ctx context.Context) (held.Deliverer, func()) {
	began := time.Now()
	if !k.alone.hush(ctx) {
		return nil, nil
	}
	k.Logger.Warn("held records that workers may have died of are handled alone")
	return &Keeper{Handler: k.Handler, remover: k.remover, poison: k.poison, tried: true}, func() { k.alone.speak(began) }
}

// BuryStored implements held.Deliverer.
func (k *Keeper) BuryStored(ctx context.Context, m queue.StoredMessage, reason outcome.DeadReason) (buried bool) {
	if reason != outcome.CrashesWorker {
		k.enterWith(func() { buried = k.buryStored(ctx, m, reason) })
		return buried
	}
	return k.buryStored(ctx, m, reason)
}

func (k *Keeper) buryStored(ctx context.Context, m queue.StoredMessage, reason outcome.DeadReason) bool {
	_, tenant, name, _ := queue.ParseHeldSubject(m.Subject)
	to := destination.ID{Tenant: tenant, Name: name}
	b, ended, err := k.openStored(ctx, m, to)
	if err != nil {
		k.Logger.Error("a held message can't be read by this build; it is left for another",
			zap.String("subject", m.Subject), zap.Uint64("sequence", m.Sequence), zap.Error(err))
		return false
	}
	b.live = func() bool { return ctx.Err() == nil }
	if reason == outcome.CrashesWorker {
		k.crashed(b)
	} else {
		k.privatise(to, b.e)
	}
	k.buryHeld(b, nil, reason, delivery.Result{})
	return <-ended
}

// crashed describes a record that is not looked at any more: what rules may have
// become stricter since can't be applied, and so it keeps no bytes then.
func (k *Keeper) crashed(b *branch) {
	b.e.Detail = "workers have died one after another with nothing but this record in hand"
	all := k.Registry.Current()
	private := all.AnyPrivate(b.to.Tenant)
	if to := all.Get(b.to); to != nil {
		private = !k.rulesOf(to).Empty()
	}
	if private {
		b.e.Withhold()
	}
}

// enter begins a held branch now, or when what is alone has ended.
func (q *quarantine) enter(begin func()) {
	q.mu.Lock()
	if q.running && !q.stopping {
		q.held = append(q.held, begin)
		q.mu.Unlock()
		return
	}
	q.busy++
	q.mu.Unlock()
	begin()
}

// hush puts off what comes and waits until nothing is in hand; speak is to
// follow. false: not now.
func (q *quarantine) hush(ctx context.Context) bool {
	defer context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.settled.Broadcast()
	})()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running || q.stopping || time.Now().Before(q.until) {
		return false
	}
	began := time.Now()
	q.running = true
	for q.busy > 0 && !q.stopping && ctx.Err() == nil {
		q.settled.Wait()
	}
	if q.busy == 0 && !q.stopping {
		return true
	}
	q.goOn(began)
	return false
}

// speak ends what hush has begun.
func (q *quarantine) speak(began time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.goOn(began)
}

// goOn lets in what was put off since. Call it with mu.
func (q *quarantine) goOn(began time.Time) {
	q.until = time.Now().Add(aloneShare * time.Since(began))
	if len(q.suspects) > 0 && !q.stopping {
		q.done.Go(q.run) // it goes on when they have been handled
		return
	}
	q.resume()
}
