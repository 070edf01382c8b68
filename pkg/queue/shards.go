package queue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/record"
)

// Generation records lie in StreamGenerations, or are spread over shards: streams
// of their own, by a hash of the tenant. StreamGenerations stays beside them, for
// what was published before, and by those who know of no shards.
//
//	hogcast.generations.<tenant>           StreamGenerations
//	hogcast.generations.<shard>.<tenant>   ShardStream(shard), open
//	hogcast.generations.<shard>._.closed   the same, closed: nobody publishes to
//	                                       it any more, workers empty it
//
// How many are open is told by the subjects of the streams that there are:
// nobody is configured with it.

// MaxShards bounds the shards: each is a stream and a consumer, and a pull that
// waits at the server for each worker.
const MaxShards = 64

const (
	anyGeneration = prefixGenerations + ">"
	anyShard      = prefixGenerations + "*.*" // of those that are open
)

// ShardStream is the name of a shard's stream.
func ShardStream(shard int) string { return StreamGenerations + "_" + strconv.Itoa(shard) }

// ShardSubject is where a tenant's records are published while there are so
// many shards; GenerationSubject for fewer than two.
func ShardSubject(tenant string, shards int) string {
	if shards < 2 {
		return GenerationSubject(tenant)
	}
	return prefixGenerations + strconv.Itoa(record.Shard(tenant, shards)) + "." + tenant
}

// shardOf is the number in a shard's name; false for other streams.
func shardOf(stream string) (int, bool) {
	digits, ok := strings.CutPrefix(stream, StreamGenerations+"_")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 0 && strconv.Itoa(n) == digits
}

// openSubject and closedSubject are what a shard listens to.
func openSubject(shard int) string { return prefixGenerations + strconv.Itoa(shard) + ".*" }

func closedSubject(shard int) string {
	return prefixGenerations + strconv.Itoa(shard) + "." + NoToken + ".closed"
}

// GenerationStreams names the streams of generation records that there are,
// closed ones included: StreamGenerations, and then the shards in their order.
func (c *Conn) GenerationStreams(ctx context.Context) ([]string, error) {
	return c.generationStreams(ctx, anyGeneration)
}

// Shards is how many shards publishers spread their records over; 1 where
// there are none, and all go to StreamGenerations.
func (c *Conn) Shards(ctx context.Context) (int, error) {
	open, err := c.generationStreams(ctx, anyShard)
	if err != nil {
		return 0, err
	}
	return max(1, inRow(open)), nil
}

// inRow counts the shards from 0 on, up to a gap.
func inRow(streams []string) int {
	n := 0
	for slices.Contains(streams, ShardStream(n)) {
		n++
	}
	return n
}

func (c *Conn) generationStreams(ctx context.Context, subject string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	lister := c.JS.StreamNames(ctx, jetstream.WithStreamListSubject(subject))
	var names []string
	for name := range lister.Name() {
		if _, shard := shardOf(name); shard || name == StreamGenerations {
			names = append(names, name)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, asked("the names of streams", err)
	}
	place := func(name string) int {
		if n, shard := shardOf(name); shard {
			return n
		}
		return -1
	}
	slices.SortFunc(names, func(a, b string) int { return place(a) - place(b) })
	return names, nil
}

// ClosedShard is a shard that nobody publishes to any more.
type ClosedShard struct {
	Stream string
	Left   uint64 // records that workers have not settled yet
}

// String says what to do about it.
func (s ClosedShard) String() string {
	if s.Left > 0 {
		return fmt.Sprintf("stream %s is closed to publishers; %d records are left in it, which workers deliver", s.Stream, s.Left)
	}
	return fmt.Sprintf("stream %s is closed to publishers and empty; `hogcast setup --remove-drained` removes it", s.Stream)
}

// ClosedShards lists them.
func (c *Conn) ClosedShards(ctx context.Context) ([]ClosedShard, error) {
	names, err := c.closedShards(ctx)
	if err != nil {
		return nil, err
	}
	var closed []ClosedShard
	for _, name := range names {
		left, err := Waiting(ctx, c, name)
		if err != nil {
			return nil, err
		}
		closed = append(closed, ClosedShard{name, left})
	}
	return closed, nil
}

func (c *Conn) closedShards(ctx context.Context) ([]string, error) {
	return c.generationStreams(ctx, prefixGenerations+"*."+NoToken+".closed")
}
