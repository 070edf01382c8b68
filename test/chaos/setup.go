package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/chaos/plan"
)

// startCluster starts NATS, and sets it up.
func (r *run) startCluster(ctx context.Context) error {
	var err error
	r.cluster = &cluster{bin: r.bin.path("natsd"), dir: r.dir, site: r.site}
	if err := r.cluster.configure(r.nodes); err != nil {
		return err
	}
	r.onStop(func() { r.cluster.ejectDisks(r.kept) })
	r.onStop(r.cluster.stop)
	if err := r.cluster.start(ctx); err != nil {
		return err
	}
	nc, err := connect(r.cluster.urls(), "chaos")
	if err != nil {
		return err
	}
	r.onStop(nc.Close)
	voices, err := r.voices()
	if err != nil {
		return err
	}
	if r.js, err = jetstream.New(nc); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	r.player = &player{
		cluster: r.cluster, files: r.files, sandboxes: r.sandboxes, oracle: r.oracle, nats: voices,
		site: r.site, tell: r.tell, count: map[plan.Verb]int{}, skipped: map[plan.Verb]int{},
	}
	r.tell("the cluster is healthy")
	return r.setUp(ctx)
}

// voices are connections to ask leaders to step down: where there are hosts one
// a node, so that whoever is cut off leaves the others within reach.
func (r *run) voices() ([]*nats.Conn, error) {
	urls := []string{r.cluster.urls()}
	if r.net {
		urls = strings.Split(urls[0], ",")
	}
	var all []*nats.Conn
	for _, url := range urls {
		nc, err := connect(url, "chaos steps", nats.IgnoreDiscoveredServers())
		if err != nil {
			return nil, err
		}
		r.onStop(nc.Close)
		all = append(all, nc)
	}
	return all, nil
}

// setUp runs `hogcast setup` until it succeeds: a cluster that has just begun
// may have no leader for streams yet.
func (r *run) setUp(ctx context.Context) error {
	var out []byte
	var err error
	done := poll(ctx, 500*time.Millisecond, func() bool {
		cmd := exec.CommandContext(ctx, r.bin.path("hogcast"), "setup", "--nats-url", r.cluster.urls(), "--replicas", fmt.Sprint(r.nodes), "--shards", fmt.Sprint(max(r.shards, 1)))
		out, err = cmd.CombinedOutput()
		return err == nil
	})
	if !done {
		return fmt.Errorf("hogcast setup: %w\n%s", err, out)
	}
	if r.ackWait == 0 {
		return nil
	}
	for _, stream := range generations(r.shards) {
		if err := r.shorten(ctx, stream); err != nil {
			return fmt.Errorf("shortening ack_wait: %w", err)
		}
	}
	return nil
}

// shorten sets after what time comes again what a killed worker had in hand.
func (r *run) shorten(ctx context.Context, stream string) error {
	consumer, err := r.js.Consumer(ctx, stream, queue.ConsumerWorkers)
	if err != nil {
		return err
	}
	config := consumer.CachedInfo().Config
	config.AckWait = r.ackWait
	_, err = r.js.UpdateConsumer(ctx, stream, config)
	return err
}
