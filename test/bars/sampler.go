package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const sampleEvery = 250 * time.Millisecond

// sample is the state of worker and queue at one moment.
type sample struct {
	at                   int64 // the ledger's clock
	worker, nats         usage
	ackPending, pending  int // of the consumer of the main lane
	held, hosts, letters int // messages of HELD, HELD_HOSTS and DEAD
}

// sampler looks at everything from time to time. Run owns its goroutine.
type sampler struct {
	js     jetstream.JetStream
	ledger *ledger
	nats   int          // process id
	worker atomic.Int64 // process id; 0: none runs
	shards atomic.Int64 // of the generation stream

	mu      sync.Mutex
	samples []sample // about 100 bytes each, four a second
}

// run samples until ctx ends.
func (s *sampler) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := s.take(ctx)
			s.mu.Lock()
			s.samples = append(s.samples, now)
			s.mu.Unlock()
		}
	}
}

// take looks once. What does not answer keeps its last value: a full queue
// under load is slow, not empty.
func (s *sampler) take(ctx context.Context) sample {
	now := s.last()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s.consumers(ctx, &now)
	for name, count := range map[string]*int{streamHeld: &now.held, streamHeldHosts: &now.hosts, streamDead: &now.letters} {
		if stream, err := s.js.Stream(ctx, name); err == nil {
			*count = int(stream.CachedInfo().State.Msgs) //nolint:gosec // a few million
		}
	}
	if pid := int(s.worker.Load()); pid != 0 {
		if u, err := readUsage(pid); err == nil {
			now.worker = u
		}
	}
	if u, err := readUsage(s.nats); err == nil {
		now.nats = u
	}
	now.at = s.ledger.now()
	return now
}

// consumers sums up the consumers of the main lane, where all of them answer.
func (s *sampler) consumers(ctx context.Context, now *sample) {
	streams := []string{streamGenerations}
	for n := range s.shards.Load() {
		if s.shards.Load() > 1 {
			streams = append(streams, fmt.Sprintf("%s_%d", streamGenerations, n))
		}
	}
	ackPending, pending := 0, 0
	for _, stream := range streams {
		c, err := s.js.Consumer(ctx, stream, consumerWorkers)
		if err != nil {
			return
		}
		info := c.CachedInfo()
		ackPending += info.NumAckPending
		pending += int(info.NumPending) //nolint:gosec // a few million
	}
	now.ackPending, now.pending = ackPending, pending
}

// last is the newest sample.
func (s *sampler) last() sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.samples) == 0 {
		return sample{}
	}
	return s.samples[len(s.samples)-1]
}

// within lists the samples of a time.
func (s *sampler) within(from, to int64) []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []sample
	for _, x := range s.samples {
		if x.at >= from && x.at < to {
			out = append(out, x)
		}
	}
	return out
}

// save writes all samples as a table: seconds, bytes, CPU seconds and counts.
func (s *sampler) save(file string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := []byte("at,rss,cpu,nats_rss,nats_cpu,ack_pending,pending,held,held_hosts,dead\n")
	for _, x := range s.samples {
		text = fmt.Appendf(text, "%.2f,%d,%.2f,%d,%.2f,%d,%d,%d,%d,%d\n", seconds(x.at), x.worker.rss, x.worker.cpu,
			x.nats.rss, x.nats.cpu, x.ackPending, x.pending, x.held, x.hosts, x.letters)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("saving samples: %w", err)
	}
	return nil
}

// most is the greatest of some value of samples.
func most(samples []sample, value func(sample) int) int {
	n := 0
	for _, s := range samples {
		n = max(n, value(s))
	}
	return n
}

// trend is the slope, a second, of some value over the later half of samples.
func trend(samples []sample, value func(sample) int) float64 {
	later := samples[len(samples)/2:]
	var x, y []float64
	for _, s := range later {
		x, y = append(x, seconds(s.at)), append(y, float64(value(s)))
	}
	return slope(x, y)
}

func ackPending(s sample) int { return s.ackPending }
