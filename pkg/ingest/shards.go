package ingest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/record"
)

// Records go to one stream, or are spread over shards by their tenant:
// `hogcast setup --shards` says which, and may say so anew at any time. How many
// there are is learned from the names of the streams that take subjects of
// shards: when the Publisher is made, every learnEvery while it publishes, and
// when no stream takes a record. Who knows an old number loses nothing: more
// shards are added beside those that there are, and the subject of one that was
// closed is taken by none, which is answered at once and tried again elsewhere
// under the same id.
//
// It needs the permission to publish to $JS.API.STREAM.NAMES. Without it all
// goes to `hogcast.generations.<tenant>`, which is always taken.
const (
	subjectPrefix = "hogcast.generations." // before the tenant, or the shard
	openShards    = subjectPrefix + "*.*"
	shardPrefix   = "HOGCAST_GENERATIONS_" // of the name of a shard's stream

	learnEvery = 30 * time.Second
	// learnSoon is between two answers, however many records no stream takes.
	learnSoon = 100 * time.Millisecond
	// learnDenied is the same for a connection that may not ask.
	learnDenied = 10 * time.Minute
	learnWait   = 2 * time.Second
	// firstWait is how long the first record waits to learn it.
	firstWait = 500 * time.Millisecond
)

// shards is what the Publisher knows of them.
type shards struct {
	first chan struct{} // closed once it was asked

	mu      sync.Mutex
	count   int // 0 or 1: there are none
	asked   time.Time
	asking  bool
	refused bool // for want of permission
	closed  bool // nothing is asked any more
}

// count is how many shards there are, as far as is known.
func (p *Publisher) count() int {
	p.shards.mu.Lock()
	defer p.shards.mu.Unlock()
	return p.shards.count
}

// subject is where a tenant's records go now.
func (p *Publisher) subject(tenant string) string {
	if n := p.count(); n > 1 {
		return subjectPrefix + strconv.Itoa(record.Shard(tenant, n)) + "." + tenant
	}
	return subjectPrefix + tenant
}

// awaitShards lets the first records wait until it is known where they go; a
// server that is away or silent does not keep them.
func (p *Publisher) awaitShards(ctx context.Context) {
	select {
	case <-p.shards.first:
		return
	default:
	}
	if !p.options.Conn.IsConnected() {
		return
	}
	p.learn(learnEvery)
	timer := time.NewTimer(firstWait)
	defer timer.Stop()
	select {
	case <-p.shards.first:
	case <-timer.C:
	case <-ctx.Done():
	case <-p.closing:
	}
}

// learn asks how many shards there are, unless that was asked less than after
// ago, or is being asked. It does not wait.
func (p *Publisher) learn(after time.Duration) {
	s := &p.shards
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused {
		after = learnDenied
	}
	if s.closed || s.asking || !s.asked.IsZero() && time.Since(s.asked) < after || !p.options.Conn.IsConnected() {
		return
	}
	s.asking = true
	p.learning.Go(p.ask)
}

// stopLearning ends a question that is open, and waits for it.
func (p *Publisher) stopLearning() {
	p.shards.mu.Lock()
	p.shards.closed = true
	p.shards.mu.Unlock()
	p.end()
	p.learning.Wait()
}

func (p *Publisher) ask() {
	ctx, cancel := context.WithTimeout(p.life, learnWait)
	defer cancel()
	lister := p.js.StreamNames(ctx, jetstream.WithStreamListSubject(openShards))
	var names []string
	for name := range lister.Name() {
		names = append(names, name)
	}
	err := lister.Err()
	s := &p.shards
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.count = inRow(names)
	}
	s.asking, s.asked = false, time.Now()
	s.refused = err != nil && deniedNames(p.options.Conn.LastError())
	select {
	case <-s.first:
	default:
		close(s.first)
	}
}

// inRow counts the shards from 0 on, up to a gap.
func inRow(streams []string) int {
	n := 0
	for slices.Contains(streams, shardPrefix+strconv.Itoa(n)) {
		n++
	}
	return n
}

// deniedNames reports whether the server has refused the question.
func deniedNames(err error) bool {
	return errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(strings.ToUpper(err.Error()), "STREAM.NAMES")
}
