package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/queue"
)

const (
	// storesAtOnce bounds the branches that are being stored; how many wait is
	// bounded by the window of what is in hand.
	storesAtOnce = 256
	// storeLimit bounds one try.
	storeLimit = 15 * time.Second
)

// storing is the storing of one branch, in HELD or DEAD.
type storing struct {
	what                string
	tenant, destination string
	store               func(context.Context) error
	// live reports whether the message that the branch comes from is still in
	// hand: else the server has given it to another, who stores it.
	live func() bool
	done func(error) // nil: it is stored; else the worker stops
}

// keeper stores branches, each until it is stored: nothing may be acknowledged
// before. Meanwhile its record stays in hand, and its lease is renewed.
type keeper struct {
	base   context.Context //nolint:containedctx // the life of the handler, not of a call
	cancel context.CancelFunc
	log    *zap.Logger
	slots  chan struct{}
	stores sync.WaitGroup
	stuck  atomic.Int32
}

func (k *keeper) init(p Params) {
	k.base, k.cancel = context.WithCancel(context.Background())
	k.log = p.Logger
	k.slots = make(chan struct{}, storesAtOnce)
}

// until has a branch stored, and tells when it is.
func (k *keeper) until(s storing) {
	k.stores.Go(func() {
		k.slots <- struct{}{}
		defer func() { <-k.slots }()
		s.done(k.insist(s))
	})
}

// insist tries until it is stored, or until the worker stops.
func (k *keeper) insist(s storing) error {
	told := false
	defer func() {
		if told {
			k.stuck.Add(-1)
		}
	}()
	return backoff.Retry(func() error {
		if !s.live() {
			return backoff.Permanent(errAbandoned)
		}
		ctx, cancel := context.WithTimeout(k.base, storeLimit)
		defer cancel()
		err := s.store(ctx)
		if err != nil && !told && k.base.Err() == nil {
			told = true
			if k.stuck.Add(1) == 1 {
				k.log.Error("neither held work nor dead letters can be stored now; nothing is acknowledged, and no more is fetched until they can",
					zap.String("what", s.what), zap.String("tenant", s.tenant), zap.String("destination", s.destination), zap.Error(err))
			}
		}
		return err
	}, backoff.WithContext(insistBackoff(), k.base))
}

var errAbandoned = errors.New("its lease ran out")

func insistBackoff() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 250 * time.Millisecond
	b.RandomizationFactor = 0.5
	b.Multiplier = 2
	b.MaxInterval = 5 * time.Second
	b.MaxElapsedTime = 0
	b.Reset()
	return b
}

// Stuck reports whether a branch could not be stored at the first try and is
// not stored yet: then no more records are to be fetched.
func (h *Handler) Stuck() bool { return h.keep.stuck.Load() > 0 }

// Stop returns when nothing is being stored. When ctx ends, what is not stored
// yet is given up: its records are handed back.
func (h *Handler) Stop(ctx context.Context) {
	stop := context.AfterFunc(ctx, h.keep.cancel)
	defer stop()
	h.keep.stores.Wait()
	h.keep.cancel()
}

// live is storing.live of a delivery.
func (h *Handler) live(m *queue.Delivery) func() bool {
	return func() bool { return h.Settler.InHand(m) }
}
