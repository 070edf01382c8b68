package pipeline

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// poison is what makes a held record poison: so many failures, over so long, each
// while its destination took others. Between two tries there is a pause.
type poison struct {
	failures    int
	span, pause time.Duration
}

const (
	poisonFailures = 10
	poisonSpan     = 10 * time.Minute
	// poisonPause is how long what waits for something else is left, too.
	poisonPause = time.Minute
	// backSoon is when a branch that was not taken comes back to its drain. Not
	// at once: the pull that has brought it may be open still.
	backSoon = time.Second
)

// Remover deletes a message that was read without being consumed.
type Remover interface {
	Delete(ctx context.Context, stream string, sequence uint64) error
}

// Keeper handles held branches: privacy and mapping again, with the rules of
// the day; routing was decided when they came.
type Keeper struct {
	*Handler
	remover Remover
	poison  poison
	tried   bool // what it is given is tried with nothing else in hand
}

// HeldBranches is the handler of held branches.
func (h *Handler) HeldBranches(r Remover) *Keeper {
	return &Keeper{Handler: h, remover: r, poison: poison{poisonFailures, poisonSpan, poisonPause}}
}

// branch is a held branch in hand.
type branch struct {
	to   destination.ID
	host string          // token of the line that it goes to when it is held again; "": its destination's
	from envelope.Source // the held message itself
	time time.Time       // when its record was published
	e    *envelope.Envelope
	live func() bool // storing.live
	span *telemetry.Span
	// end settles it; taken: its fate is sealed, or it is held elsewhere.
	end func(v queue.Verdict, taken bool)
}

// Deliver implements held.Deliverer.
func (k *Keeper) Deliver(d *queue.Delivery, to *destination.Destination, done func(bool)) {
	k.enter(done, func(done func(bool)) { k.deliver(d, to, done) })
}

func (k *Keeper) deliver(d *queue.Delivery, to *destination.Destination, done func(bool)) {
	b, ok := k.open(d, to.ID, done)
	if !ok {
		return
	}
	if wait := k.poison.pause - time.Since(b.e.LastAttempt); b.e.Failures > 0 && wait > 0 {
		b.end(queue.Again(wait), true)
		return
	}
	cause := b.guarded()
	if on := k.Health.Guarded(cause); on && !k.Health.GuardTry(k.keep.base, cause) {
		k.putOff(b, to)
		return
	}
	// What is tried alone has no others to wait for.
	k.send(b, to, &delivery.Item{
		Deadline: time.Now().Add(k.MainLaneMax), Background: !k.tried, Probe: k.tried, Suspect: b.e.Failures > 0,
	}, func(result delivery.Result) {
		if cause != "" {
			k.Health.GuardTried(cause, result.End == delivery.Delivered)
		}
		k.landed(b, to, result)
	})
}

// guarded is the cause that the guard holds the branch for, or "".
func (b *branch) guarded() string {
	if b.e.Reason != string(outcome.Guarded) {
		return ""
	}
	return b.e.Detail
}

// putOff leaves a branch that the guard holds where it is for a while; in its
// cause's line, not in its destination's, of which so many at once may wait and
// no more.
func (k *Keeper) putOff(b *branch, to *destination.Destination) {
	if b.host = k.guardLine(to, b.e.Detail); b.host == "" || b.from.Stream == queue.StreamHeldHosts {
		b.end(queue.Again(poisonPause), true)
		return
	}
	k.again(b, outcome.Guarded, b.e.Detail)
}

// landed takes over what became of a held branch.
func (k *Keeper) landed(b *branch, to *destination.Destination, result delivery.Result) {
	switch result.End {
	case delivery.Delivered:
		k.guard.passed(to.Tenant, to.Name)
		k.ended(b, outcome.Delivered)
		b.end(queue.Ack(), true)
	case delivery.Buried:
		f := fateOf(to, result)
		switch {
		case !k.spares(f, to):
			k.buryHeld(b, to, outcome.DeadReasonFor(result.Verdict.Cause), result)
		case b.guarded() == f.Cause:
			k.putOff(b, to)
		default:
			note(b.e, k.rulesOf(to), result)
			b.host = k.guardLine(to, f.Cause)
			k.again(b, outcome.Guarded, f.Cause)
		}
	case delivery.Undelivered:
		a := k.Health.Standing(to)
		if b.from.Stream == queue.StreamHeldHosts && a.Host == "" {
			// One that is slow for itself must not stop the drain of all.
			k.again(b, outcome.HoldReason(result.Verdict.Cause), b.e.Detail)
			return
		}
		if a.Gate != fleet.Pass && b.e.Failures == 0 {
			// It, or one that went with it, may have been what broke the destination.
			// That proves nothing, but is worth trying apart.
			result.Failures = min(result.Failures, 1)
		} else if a.Gate != fleet.Pass {
			result.Failures = 0
		}
		if result.Failures > 0 {
			k.suspect(b, to, result)
			return
		}
		if k.tried && a.Gate == fleet.Pass {
			// It has no neighbours by which to tell whose fault it is; it must not
			// keep those behind it from being tried.
			k.again(b, outcome.HoldReason(result.Verdict.Cause), b.e.Detail)
			return
		}
		b.end(queue.Again(backSoon), false)
	case delivery.Interrupted:
		b.end(queue.Again(backSoon), false)
	}
}

// suspect goes to the end of what is held, with its failures counted, or is
// poison.
func (k *Keeper) suspect(b *branch, to *destination.Destination, result delivery.Result) {
	note(b.e, k.rulesOf(to), result)
	if b.e.Failures >= k.poison.failures && time.Since(b.e.FirstFailure) >= k.poison.span {
		k.buryHeld(b, to, outcome.Poison, delivery.Result{Verdict: result.Verdict})
		return
	}
	k.again(b, outcome.HoldReason(result.Verdict.Cause), b.e.Detail)
}

// again holds a branch anew, behind all that is held: what has become known of
// it goes with it.
func (k *Keeper) again(b *branch, reason outcome.HoldReason, detail string) {
	b.e.Reason, b.e.Detail = string(reason), detail
	to := held.Branch{To: b.to, Host: b.host, From: b.from, Envelope: *b.e}
	var full bool
	k.keep.until(storing{
		what: "held branch", tenant: b.to.Tenant, destination: b.to.Name, live: b.live,
		store: func(ctx context.Context) error {
			err := k.Parker.Park(ctx, to)
			// It is held already: where there is no room it stays where it is.
			full = errors.Is(err, queue.ErrQueueFull) || errors.Is(err, queue.ErrTooLarge)
			if full {
				return nil
			}
			return err
		},
		done: func(err error) {
			switch {
			case err != nil:
				b.end(queue.Again(backSoon), false)
			case full:
				b.end(queue.Again(poisonPause), true)
			default:
				k.Metrics.Held.WithLabelValues(b.e.Reason).Inc()
				b.end(queue.Ack(), true)
			}
		},
	})
}

// Bury implements held.Deliverer.
func (k *Keeper) Bury(d *queue.Delivery, reason outcome.DeadReason, done func(bool)) {
	k.enter(done, func(done func(bool)) {
		_, tenant, name, _ := queue.ParseHeldSubject(d.Subject)
		if b, ok := k.open(d, destination.ID{Tenant: tenant, Name: name}, done); ok {
			k.buryHeld(b, nil, reason, delivery.Result{})
		}
	})
}

// Move implements held.Deliverer.
func (k *Keeper) Move(d *queue.Delivery, to destination.ID, done func(bool)) {
	k.enter(done, func(done func(bool)) {
		if b, ok := k.open(d, to, done); ok {
			k.again(b, outcome.HoldReason(b.e.Reason), b.e.Detail)
		}
	})
}

// Probe implements held.Deliverer.
func (k *Keeper) Probe(ctx context.Context, m queue.StoredMessage, p held.ProbeOf) (alive bool) {
	k.enterWith(func() { alive = k.probe(ctx, m, p) })
	return alive
}

func (k *Keeper) probe(ctx context.Context, m queue.StoredMessage, p held.ProbeOf) (alive bool) {
	key := fleet.Key{ID: p.To.ID, Host: p.Host}
	b, ended, err := k.openStored(ctx, m, p.To.ID)
	if err != nil {
		k.Health.Probed(key, sampleOf(delivery.Result{}, true), false)
		return false
	}
	k.privatise(p.To.ID, b.e)
	k.send(b, p.To, &delivery.Item{Deadline: time.Now().Add(k.MainLaneMax), Probe: true}, func(result delivery.Result) {
		alive = k.answered(p.To, result)
		k.Health.Probed(key, sampleOf(result, true), alive)
		if result.End == delivery.Undelivered {
			result.Failures = 0 // it proves nothing against the record
		}
		k.landed(b, p.To, result)
	})
	<-ended
	return alive
}

// openStored reads the envelope of a held message that was read without being
// consumed; ended tells whether its fate is sealed.
func (k *Keeper) openStored(ctx context.Context, m queue.StoredMessage, to destination.ID) (b *branch, ended <-chan bool, err error) {
	e, err := envelope.Parse(m.Header, m.Body)
	if err != nil {
		return nil, nil, err
	}
	stream := queue.StreamOfHeld(m.Subject)
	end := make(chan bool, 1)
	return &branch{
		to: to, from: envelope.Source{Stream: stream, Sequence: m.Sequence, Time: m.Time}, time: e.Source.Time, e: e,
		live: func() bool { return true },
		end: func(v queue.Verdict, taken bool) {
			if v == queue.Ack() {
				taken = k.remove(ctx, stream, m.Sequence)
			}
			end <- taken
		},
	}, end, nil
}

// remove deletes a probe that is settled. Where that fails it comes again, a
// copy with the same uuid.
func (k *Keeper) remove(ctx context.Context, stream string, sequence uint64) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	if err := k.remover.Delete(ctx, stream, sequence); err != nil {
		k.Logger.Warn("a delivered probe stays held and will come again", zap.Error(err))
		return false
	}
	return true
}

// open reads the envelope of a held message. One that this build can't read is
// left to others: it may be a newer version's.
func (k *Keeper) open(d *queue.Delivery, to destination.ID, done func(bool)) (*branch, bool) {
	settle := func(v queue.Verdict, taken bool) {
		k.Settler.Settle(d, v)
		done(taken)
	}
	e, err := envelope.Parse(d.Header, d.Data)
	if err != nil {
		k.Logger.Error("a held message can't be read by this build; it is left for another",
			zap.String("subject", d.Subject), zap.Uint64("sequence", d.Sequence), zap.Error(err))
		settle(queue.Again(poisonPause), true)
		return nil, false
	}
	from := envelope.Source{Stream: d.Stream, Sequence: d.Sequence, Time: d.Time}
	if to.Name != "" { // routing, which is to come, looks at the record as it came
		k.privatise(to, e)
	}
	return &branch{to: to, from: from, time: e.Source.Time, e: e, live: k.live(d), end: settle}, true
}

// privatise applies the privacy rules of the day to what was stored before they
// were in force, wherever it goes from here.
func (k *Keeper) privatise(to destination.ID, e *envelope.Envelope) {
	for _, rules := range k.rulesFor(to) {
		privacy.Renew(e, rules)
	}
}

// rulesFor returns the privacy rules of a destination; of one that is gone,
// whose last rules nobody knows, those of its tenant's others, but for the
// hashes of users, of which each has its own.
func (k *Keeper) rulesFor(to destination.ID) []privacy.Rules {
	all := k.Registry.Current()
	if now := all.Get(to); now != nil && now.EntryUnreadable {
		return nil // nobody knows any, until it can be read
	} else if now != nil {
		return []privacy.Rules{k.compiled.of(now)}
	}
	var rules []privacy.Rules
	for _, other := range all.Of(to.Tenant) {
		if other.EntryUnreadable {
			continue
		}
		rules = append(rules, k.compiled.of(other).WithoutHash())
	}
	return rules
}

// send maps the record anew and hands it to delivery. What can't be read any
// more is a dead letter.
func (k *Keeper) send(b *branch, to *destination.Destination, item *delivery.Item, done func(delivery.Result)) {
	raw, r, err := privacy.Decode(b.e)
	if err != nil {
		describe(b.e, err)
		k.letter(b, outcome.Malformed)
		return
	}
	r.Dropped = append(r.Dropped, b.e.Dropped...)
	item.To, item.Done = to, done
	span := k.trace(b, len(raw))
	k.load(item, cargo{record: r, bytes: len(raw), applied: b.e.Rules, span: span})
	k.Deliverer.Submit(item)
}

// buryHeld makes a dead letter of a held branch. to is nil where nothing was
// asked.
func (k *Keeper) buryHeld(b *branch, to *destination.Destination, reason outcome.DeadReason, result delivery.Result) {
	if to != nil {
		note(b.e, k.rulesOf(to), result)
	} else if b.e.Detail == "" {
		b.e.Detail = "held for: " + b.e.Reason
	}
	k.letter(b, reason)
}

func (k *Keeper) letter(b *branch, reason outcome.DeadReason) {
	b.e.Worker = k.Worker
	k.keep.until(k.writing(letterFor(b, reason), b.live, func(err error) {
		if err != nil {
			b.end(queue.Again(backSoon), false)
			return
		}
		k.ended(b, outcome.DeadLettered)
		b.end(queue.Ack(), true)
	}))
}

// ended counts how a held branch ended.
func (k *Keeper) ended(b *branch, end outcome.End) {
	k.Metrics.HeldEnded(b.to.Tenant, b.to.Name, end)
	b.span.Branch(b.to.Name, string(end), "")
	if end == outcome.Delivered && !b.time.IsZero() {
		telemetry.Seconds(k.Metrics.Delay, b.time)
	}
}
