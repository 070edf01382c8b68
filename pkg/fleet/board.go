// Package fleet is what the workers know together: how each destination does,
// who probes a broken one, and how many workers live. Layer 3. Board.Run owns
// the goroutines; the state is in memory, and is shared through two buckets of
// NATS, watched. A NATS that is away makes each worker decide by itself.
package fleet

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Params of a board.
type Params struct {
	Conn   *queue.Conn
	Worker string // this worker's id
	// Version is the build's, for those who look at the fleet.
	Version string
	// ProbeLimit is the longest that a probe takes; nobody else probes before.
	// Default 15 s.
	ProbeLimit time.Duration
	// Blocked, if set, is told of destinations that are not to be sent to any
	// more. It must not call the board.
	Blocked func(match func(*destination.Destination) bool)
	// Moved, if set, is told of each change of a destination's state that this
	// worker has decided. It must not call the board.
	Moved  func(from, to health.State)
	Logger *zap.Logger
}

// Board holds the states of destinations and hosts that are not healthy.
type Board struct {
	params Params
	log    *zap.Logger

	mu       sync.RWMutex
	entries  map[string]*entry // by key; absent: healthy
	trackers map[destination.ID]*health.Tracker
	hosts    map[string]*host // by token

	blocked  atomic.Int64 // entries that are blocked; none: no lock is taken
	workers  atomic.Int64
	living   atomic.Pointer[[]string] // their names, in their order
	first    atomic.Bool              // of the workers, by its name
	current  *destination.Set         // as Changed has told; nil: not known
	ours     atomic.Int64             // when no destination could be reached last, in ns
	dirty    dirtySet
	shared   atomic.Pointer[queue.Bucket] // of states, once it was found
	caughtUp chan struct{}
	once     sync.Once
	tokens   sync.Map // endpoint → token
}

// entry is a key of the state bucket as this worker knows it.
type entry struct {
	id       destination.ID // the zero ID for a host's, and for a cause's of the guard
	host     string         // token, of a host's
	status   health.Status
	revision uint64 // in the bucket; 0: not there
	deleted  uint64 // revision that this worker has deleted, until its watch tells of that
	probing  bool   // by this worker
	turn     bool   // by its turn at what is held, which goes on by itself
}

func (e *entry) ofDestination() bool { return e.id != destination.ID{} }

// host is what this worker has seen of an endpoint.
type host struct {
	endpoint string
	accepted time.Time // when it last accepted anything
	reach    health.Endpoint
	open     int // its destinations that are open
}

// New makes a board; Run shares it.
func New(p Params) *Board {
	if p.ProbeLimit == 0 {
		p.ProbeLimit = 15 * time.Second
	}
	if p.Logger == nil {
		p.Logger = zap.NewNop()
	}
	b := &Board{
		params: p, log: p.Logger.Named("health"), entries: make(map[string]*entry),
		trackers: make(map[destination.ID]*health.Tracker), hosts: make(map[string]*host),
		caughtUp: make(chan struct{}),
	}
	b.dirty.init()
	b.workers.Store(1)
	return b
}

// Gate is what may be done with a fresh event.
type Gate int

// The gates.
const (
	Pass  Gate = iota // send it
	Probe             // it may be the probe: Claim, and send it alone
	Park              // hold it
)

// Admission is the answer to Admit.
type Admission struct {
	Gate   Gate
	Reason health.Reason // why it is not to be sent
	Detail string        // more of it
	// Host is the token of the host that is down as a whole, or "".
	Host string
}

// Admit decides what to do with a fresh event for a destination. A Probe must
// be followed by Claim, and by Probed where that says yes.
func (b *Board) Admit(to *destination.Destination) Admission {
	if b.blocked.Load() == 0 {
		return Admission{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e, a := b.standing(to)
	now := time.Now()
	if e == nil {
		return a
	}
	if !e.probing && !now.Before(e.status.FreshProbe(rand.Float64())) { //nolint:gosec // spreads load, guards nothing
		e.probing = true
		a.Gate = Probe
	}
	return a
}

// Standing is Admit for an event that was not delivered: Park, or Pass where
// nothing is known against its destination.
func (b *Board) Standing(to *destination.Destination) Admission {
	if b.blocked.Load() == 0 {
		return Admission{}
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, a := b.standing(to)
	return a
}

// standing finds what keeps events from a destination: its own state, or its
// host's.
func (b *Board) standing(to *destination.Destination) (*entry, Admission) {
	token := b.token(to.Endpoint)
	own, down := b.entries[to.String()], b.entries[hostKey(token)]
	if down != nil && !down.status.Blocked() {
		down = nil
	}
	switch about := own != nil && own.status.Blocked() && own.status.About(to.Revision()); {
	case about && (down == nil || own.status.State != health.Open):
		return own, Admission{Gate: Park, Reason: own.status.Reason, Detail: own.status.Detail}
	case down != nil:
		return down, Admission{Gate: Park, Reason: down.status.Reason, Host: token}
	}
	return nil, Admission{}
}

// Status is a destination's health; the zero Status where it is healthy, or
// where what is known is about another revision.
func (b *Board) Status(to *destination.Destination) health.Status {
	b.mu.RLock()
	defer b.mu.RUnlock()
	own := b.entries[to.String()]
	if own == nil || !own.status.About(to.Revision()) {
		return health.Status{}
	}
	return own.status
}

// HostStatus is the health of a host, by its token.
func (b *Board) HostStatus(token string) health.Status {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if e := b.entries[hostKey(token)]; e != nil {
		return e.status
	}
	return health.Status{}
}

// Count is how many destinations are in each state but healthy, hosts left out.
func (b *Board) Count() map[health.State]int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	n := map[health.State]int{}
	for _, e := range b.entries {
		if e.ofDestination() && e.status.State != health.Healthy {
			n[e.status.State]++
		}
	}
	return n
}

// Each calls use with each destination that is not healthy. use must not call
// the board.
func (b *Board) Each(use func(destination.ID, health.Status)) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, e := range b.entries {
		if e.ofDestination() && e.status.State != health.Healthy {
			use(e.id, e.status)
		}
	}
}

// Workers is how many workers live, at least 1.
func (b *Board) Workers() int { return int(max(b.workers.Load(), 1)) }

// Speaks reports whether this worker is the one, of those that live, that tells
// of what they all see alike; for a moment after one has gone it may be none, or
// two.
func (b *Board) Speaks() bool { return b.first.Load() }

// Key names a destination, or a host where Host is set, in Claim and Probed.
type Key struct {
	ID   destination.ID
	Host string // token
}

func (k Key) String() string {
	if k.Host != "" {
		return hostKey(k.Host)
	}
	return k.ID.String()
}

const hostPrefix = "_host."

func hostKey(token string) string { return hostPrefix + token }

func (b *Board) token(endpoint string) string {
	if token, ok := b.tokens.Load(endpoint); ok {
		return token.(string) //nolint:forcetypeassert // only strings are stored
	}
	token := queue.HostToken(endpoint)
	b.tokens.Store(endpoint, token)
	return token
}

// Token is the token of a destination's host.
func (b *Board) Token(to *destination.Destination) string { return b.token(to.Endpoint) }

// Claim makes this worker the one that probes; false where another does, or
// where it is not time, or NATS does not answer.
func (b *Board) Claim(ctx context.Context, k Key) bool { return b.claimKey(ctx, k.String()) }

func (b *Board) claimKey(ctx context.Context, key string) bool {
	b.mu.Lock()
	e := b.entries[key]
	now := time.Now()
	if e == nil || !e.status.Blocked() || now.Before(e.status.NotBefore) {
		b.unclaim(e)
		b.mu.Unlock()
		return false
	}
	e.probing = true
	status, revision := e.status.Probing(now, b.params.ProbeLimit), e.revision
	status.Worker = b.params.Worker
	b.mu.Unlock()

	won := b.claim(ctx, key, status, revision)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !won {
		b.unclaim(e)
		return false
	}
	if e.status.Blocked() {
		b.adopt(e, status)
	}
	return true
}

func (b *Board) unclaim(e *entry) {
	if e != nil {
		e.probing = false
	}
}

// claim writes a status if nobody has written since.
func (b *Board) claim(ctx context.Context, key string, s health.Status, revision uint64) bool {
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	bucket, err := b.bucket(ctx)
	if err != nil {
		return false
	}
	won, err := b.put(ctx, bucket, key, s, revision)
	return won && err == nil
}

// Probed tells what a claimed probe came to. answered: the destination took
// the event, or refused this very event, and so is there.
func (b *Board) Probed(k Key, p health.Probe, answered bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := k.String()
	e := b.entries[key]
	if e == nil {
		return
	}
	defer func() {
		e.probing, e.turn = false, false
		if e.revision == 0 && e.status == (health.Status{State: health.Healthy}) {
			delete(b.entries, key) // somebody else has cleared it meanwhile
		}
	}()
	if e.host != "" && p.Sample.Status != 0 && health.Classify(p.Sample.Cause) == health.Owner {
		answered = true // the one that stood in for its host is refused for itself
	}
	switch {
	case !e.status.Blocked():
	case answered && e.host != "":
		b.clearHost(e.host, e)
	case answered:
		b.clear(key, e)
	default:
		b.set(key, e, e.status.Probed(time.Now(), p))
	}
}

// ClaimTurn is Claim by a turn at what is held: it goes on by itself where the
// probe succeeds, and so nobody is to be woken then. host is the token of a
// host, or "".
func (b *Board) ClaimTurn(ctx context.Context, id destination.ID, host string) bool {
	k := Key{ID: id, Host: host}
	if !b.Claim(ctx, k) {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[k.String()]; e != nil {
		e.turn = true
	}
	return true
}
