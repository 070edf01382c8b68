package held

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Registry tells which destinations are in force.
type Registry interface{ Current() *destination.Set }

// Board is what the fleet knows of destinations.
type Board interface {
	Status(*destination.Destination) health.Status
	HostStatus(token string) health.Status
	ClaimTurn(ctx context.Context, id destination.ID, host string) bool
	Mark(destination.ID, string, health.Reason)
	Unmark(destination.ID)
	Draining(destination.ID, bool)
	Known(use func(id destination.ID, at time.Time))
	Forget(destination.ID)
	Workers() int
}

// Deliverer delivers held branches, and settles what it was handed.
type Deliverer interface {
	// Deliver sends a held branch below live traffic, and then calls done:
	// false where the destination did not take it now.
	Deliver(d *queue.Delivery, to *destination.Destination, done func(taken bool))
	// Probe sends one that was read without being consumed, alone, and deletes
	// it where its fate is sealed. It reports whether the destination answered.
	// A host's token says that it stands for its host.
	Probe(ctx context.Context, m queue.StoredMessage, p ProbeOf) bool
	// Bury makes a held branch a dead letter, and then calls done.
	Bury(d *queue.Delivery, reason outcome.DeadReason, done func(taken bool))
	// Reroute routes a record anew that was held before it could be, and then
	// calls done.
	Reroute(ctx context.Context, d *queue.Delivery, done func(taken bool))
	// Move holds a branch that was held for its host for itself alone, and then
	// calls done.
	Move(d *queue.Delivery, to destination.ID, done func(taken bool))
	// BuryStored makes a dead letter of one that was read without being consumed,
	// and deletes it; true: its fate is sealed. For CrashesWorker it does not look
	// at the record.
	BuryStored(ctx context.Context, m queue.StoredMessage, reason outcome.DeadReason) bool
	// Alone waits until this process has no other record in hand, fresh ones
	// among them, and keeps it so until release; what it returns delivers
	// meanwhile. nil where that is not to be now.
	Alone(ctx context.Context) (via Deliverer, release func())
}

// ProbeOf says what is probed.
type ProbeOf struct {
	To   *destination.Destination
	Host string // token, where To stands for its host
}

// Params of a keeper.
type Params struct {
	Worker    string // this worker's name
	Conn      *queue.Conn
	Hand      *queue.Hand
	Window    *queue.Window // the part of the hand's that drains may take
	Registry  Registry
	Board     Board
	Deliverer Deliverer
	Waker     *Waker
	Quota     *Quota // told by each sweep; nil: none
	// HoldMax is how long a branch is held where its destination does not say;
	// default 72 h.
	HoldMax time.Duration
	// MissingFor is how long a destination has to be missing until what is held
	// for it becomes dead letters; default 2 min: a fleet does not learn of a
	// new destination all at once.
	MissingFor time.Duration
	// ForgetAfter is how long a destination has to be gone, with nothing held, until
	// its state is dropped; default 10 min.
	ForgetAfter time.Duration
	// FleetDrains bounds the drains of all workers together; default 200.
	FleetDrains int
	Logger      *zap.Logger
}

// Keeper takes its turns at what is held.
type Keeper struct {
	Params
	log      *zap.Logger
	slots    chan struct{}
	instance string // this process, in marks
	bucket   atomic.Pointer[queue.Bucket]

	mu       sync.Mutex
	unclosed map[string]struct{}          // held subjects whose marks could not be closed
	expiring map[string]uint64            // by held subject: where the next look for what has expired goes on
	missing  map[destination.ID]time.Time // since when
	idle     map[destination.ID]time.Time // since when one that is no more has had a state and nothing held
	oldest   map[string]bool              // by held subject: whether the last probe was the oldest
	told     map[string]bool              // that what is acknowledged is not deleted
	active   map[string]bool              // held subjects whose turn is under way
	drains   int                          // of them, those that drain a destination
	hosts    int                          // and those that drain a host
}

const (
	// turnsAtOnce bounds the wake-ups that one worker has in hand; most of them
	// go back to sleep at once.
	turnsAtOnce = 512
	// drainsMost bounds the drains of one worker, however few it shares with;
	// those of hosts, of which each stands for hundreds, are counted apart.
	drainsMost, hostsMost = 48, 4
	pullWait              = 2 * time.Second
	// backSoon is when a branch that can't go now comes back to its drain. Not
	// at once: the pull that has brought it may be open still.
	backSoon = time.Second
)

// NewKeeper makes a keeper; Run takes turns.
func NewKeeper(p Params) *Keeper {
	if p.HoldMax == 0 {
		p.HoldMax = 72 * time.Hour
	}
	if p.MissingFor == 0 {
		p.MissingFor = 2 * time.Minute
	}
	if p.ForgetAfter == 0 {
		p.ForgetAfter = 10 * time.Minute
	}
	if p.FleetDrains == 0 {
		p.FleetDrains = 200
	}
	if p.Logger == nil {
		p.Logger = zap.NewNop()
	}
	return &Keeper{
		Params: p, log: p.Logger.Named("held"), slots: make(chan struct{}, turnsAtOnce),
		missing: make(map[destination.ID]time.Time), oldest: make(map[string]bool), told: make(map[string]bool),
		active: make(map[string]bool), unclosed: make(map[string]struct{}), expiring: make(map[string]uint64),
		instance: p.Worker + "/" + rand.Text()[:12],
	}
}

// Run takes turns until ctx ends, and returns when the last is over.
func (k *Keeper) Run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { k.sweeps(ctx) })
	defer parts.Wait()
	var turns sync.WaitGroup
	defer turns.Wait()
	told := false
	for ctx.Err() == nil {
		if err := k.pull(ctx, &turns); err != nil && ctx.Err() == nil {
			if !told {
				told = true
				k.log.Warn("pulling wake-ups failed; trying on", zap.Error(err))
			}
			pause(ctx, time.Second)
			continue
		}
		told = false
	}
}

// pull takes wake-ups for as many turns as are free.
func (k *Keeper) pull(ctx context.Context, turns *sync.WaitGroup) error {
	source, err := k.Conn.Wakeups(ctx, k.Hand)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		free := k.free(ctx)
		if free == 0 {
			return nil
		}
		used := 0
		var late []*queue.Delivery // handed back after the pull, or they would come straight back
		_, err := source.Pull(ctx, free, pullWait, func(d *queue.Delivery) {
			if ctx.Err() != nil {
				late = append(late, d)
				return
			}
			used++
			turns.Go(func() {
				defer func() { <-k.slots }()
				k.turn(ctx, d)
			})
		})
		for range free - used {
			<-k.slots
		}
		for _, d := range late {
			k.Hand.Settle(d, queue.HandBack())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// free waits for a slot, and takes all that are there; 0 when ctx ends.
func (k *Keeper) free(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case k.slots <- struct{}{}:
	}
	for n := 1; ; n++ {
		select {
		case k.slots <- struct{}{}:
		default:
			return n
		}
	}
}

// Active is how many turns are under way.
func (k *Keeper) Active() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.active)
}

// enter asks for a place among the drains: those of all workers together are
// bounded.
func (k *Keeper) enter(host string) bool {
	count, most := k.drainsOf(host)
	k.mu.Lock()
	defer k.mu.Unlock()
	if *count >= most {
		return false
	}
	*count++
	return true
}

func (k *Keeper) leave(host string) {
	count, _ := k.drainsOf(host)
	k.mu.Lock()
	defer k.mu.Unlock()
	*count--
}

// drainsOf is the count of such drains, and its bound.
func (k *Keeper) drainsOf(host string) (*int, int) {
	if host != "" {
		return &k.hosts, hostsMost
	}
	return &k.drains, max(min(k.FleetDrains/k.Board.Workers(), drainsMost), 1)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// jittered spreads a wait over its upper half.
func jittered(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + mathrand.N(d/2+1) //nolint:gosec // spreads load, guards nothing
}
