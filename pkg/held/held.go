// Package held keeps branches that can't be delivered now, and brings them
// back: park, wake-up, probe, drain, sweep. Layer 3. Keeper.Run and Waker.Run
// own the goroutines.
//
//	Park ──▶ HELD ────────────────────────┐
//	   └──▶ wake-up ─▶ turn: probe, then ─▶ drain ─▶ delivery
//	            ▲          │ still down
//	            └──────────┘ sleeps, 5 s growing to 60 s
//
// One wake-up a destination is its timer and its lease: who has it in hand
// probes and drains, and nobody else does.
package held

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Branch is one record for one destination, to be held.
type Branch struct {
	To destination.ID
	// Host is the token of the host that is down as a whole, or "".
	Host string
	// From is the message that the branch leaves: a move's id names it.
	From     envelope.Source
	Envelope envelope.Envelope
}

// Parker writes branches to HELD.
type Parker struct {
	conn     *queue.Conn
	waker    *Waker
	quota    *Quota
	counting sync.Mutex // one asks the server how much a tenant holds
}

// NewParker makes a parker, whose destinations waker wakes. A nil quota bounds
// nothing.
func NewParker(conn *queue.Conn, waker *Waker, quota *Quota) *Parker {
	return &Parker{conn: conn, waker: waker, quota: quota}
}

// Park stores a branch; only nil means that it is stored. Errors:
// queue.ErrQueueFull where the destination's share is used up or the stream is
// full, queue.ErrTooLarge where it does not fit into a message even compressed,
// else no answer: ask again.
func (p *Parker) Park(ctx context.Context, b Branch) error {
	e := b.Envelope
	if !e.Fit(int(p.conn.NATS.MaxPayload())) {
		return fmt.Errorf("holding: %w", queue.ErrTooLarge)
	}
	fresh := b.From.Stream != queue.StreamHeld && b.From.Stream != queue.StreamHeldHosts
	size := len(e.Body) + envelope.MaxAdded/8
	if p.quota != nil && fresh {
		if err := p.room(ctx, b.To.Tenant, size); err != nil {
			return fmt.Errorf("holding: %w", err)
		}
	}
	subject, wakeup := queue.HeldSubject(b.To.Tenant, b.To.Name), queue.WakeupSubject(b.To.Tenant, b.To.Name)
	if b.Host != "" {
		subject, wakeup = queue.HeldHostSubject(b.Host, b.To.Tenant, b.To.Name), queue.HostWakeupSubject(b.Host)
	}
	err := p.conn.Publish(ctx, queue.Message{
		Subject: subject, ID: envelope.MoveID(b.From, b.To.Name), Header: e.Headers(), Body: e.Body,
	})
	if err != nil {
		if p.quota != nil && fresh {
			p.quota.giveBack(b.To.Tenant, size)
		}
		if b.Host != "" && errors.Is(err, queue.ErrQueueFull) {
			// Its own line may have room.
			b.Host = ""
			return p.Park(ctx, b)
		}
		return fmt.Errorf("holding: %w", err)
	}
	p.waker.Wake(wakeup)
	return nil
}

// room takes room for a branch of a tenant's. A refusal by what is estimated is
// checked against what is held.
func (p *Parker) room(ctx context.Context, tenant string, size int) error {
	err := p.quota.take(tenant, size)
	if err == nil {
		return nil
	}
	p.counting.Lock()
	defer p.counting.Unlock()
	if err = p.quota.take(tenant, size); err == nil {
		return nil // somebody else has counted
	}
	if p.quota.doubtful(tenant, size) {
		n, failed := p.heldOf(ctx, tenant)
		if failed != nil {
			return err // the estimate stands
		}
		p.quota.recounted(tenant, n)
		err = p.quota.take(tenant, size)
	}
	if err != nil {
		p.quota.refused(tenant)
	}
	return err
}

// heldOf counts what is held for a tenant, in its destinations' own lines and in
// those of hosts.
func (p *Parker) heldOf(ctx context.Context, tenant string) (n uint64, err error) {
	for _, filter := range []string{queue.HeldSubject(tenant, "*"), queue.HeldHostSubject("*", tenant, "*")} {
		count, err := p.conn.HeldCount(ctx, filter)
		if err != nil {
			return 0, err
		}
		n += count
	}
	return n, nil
}

// Waker publishes wake-ups after what they are for was stored: at most one a
// second for each destination, and always one after the last. What a crash
// leaves out the sweep repairs.
type Waker struct {
	conn *queue.Conn
	log  *zap.Logger

	mu   sync.Mutex
	due  map[string]struct{}
	last map[string]time.Time
}

const (
	wakeLook  = 100 * time.Millisecond
	wakeEvery = time.Second
	wakeLimit = 5 * time.Second
	// wakeAtOnce bounds the wake-ups that are published side by side.
	wakeAtOnce = 32
)

// NewWaker makes a waker; Run publishes.
func NewWaker(conn *queue.Conn, log *zap.Logger) *Waker {
	if log == nil {
		log = zap.NewNop()
	}
	return &Waker{conn: conn, log: log.Named("held"), due: make(map[string]struct{}), last: make(map[string]time.Time)}
}

// Wake has a wake-up published soon.
func (w *Waker) Wake(subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due[subject] = struct{}{}
}

// Run publishes until ctx ends, and then what is still due.
func (w *Waker) Run(ctx context.Context) {
	tick := time.NewTicker(wakeLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			w.publish(context.WithoutCancel(ctx), w.take(time.Now().Add(wakeEvery)))
			return
		case now := <-tick.C:
			w.publish(ctx, w.take(now))
		}
	}
}

// take returns what is due and was not published within the last second.
func (w *Waker) take(now time.Time) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var subjects []string
	for subject := range w.due {
		if now.Sub(w.last[subject]) < wakeEvery {
			continue
		}
		subjects = append(subjects, subject)
		delete(w.due, subject)
		w.last[subject] = now
	}
	for subject, at := range w.last {
		if now.Sub(at) > wakeEvery {
			delete(w.last, subject)
		}
	}
	return subjects
}

func (w *Waker) publish(ctx context.Context, subjects []string) {
	ctx, cancel := context.WithTimeout(ctx, wakeLimit)
	defer cancel()
	slots := make(chan struct{}, wakeAtOnce)
	var publishing sync.WaitGroup
	for _, subject := range subjects {
		slots <- struct{}{}
		publishing.Go(func() {
			defer func() { <-slots }()
			if err := w.conn.WakeUp(ctx, subject); err != nil {
				w.log.Warn("wake-up not published; trying again", zap.String("subject", subject), zap.Error(err))
				w.Wake(subject)
			}
		})
	}
	publishing.Wait()
}
