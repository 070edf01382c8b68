package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/queue"
)

type setupCommand struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`

	Replicas      int           `default:"1" help:"Copies of every stream and bucket: 1, 3 or 5; 3 on a cluster."`
	Shards        int           `placeholder:"P" help:"Streams that generation records are spread over, by a hash of the tenant: 1 to 64; default as many as there are, 1 at first. May be changed while everything runs."`
	StorageBytes  config.Size   `placeholder:"SIZE" help:"What all streams may store together, such as 100GiB; default what the account may, else no limit."`
	TenantQuota   int64         `default:"10000000" help:"Records of one tenant that may wait; more are refused at the door."`
	HeldQuota     int64         `default:"2000000" help:"Held branches of one destination."`
	DeadQuota     int64         `default:"1000000" help:"Dead letters of one destination and reason."`
	DeadMaxAge    time.Duration `default:"720h" help:"How long dead letters are kept."`
	AckWait       time.Duration `default:"60s" help:"How long a worker may have a record in hand without a sign of life; then another gets it."`
	MaxAckPending int           `default:"50000" help:"Records that all workers together may have in hand; more than their windows take."`
	Timeout       time.Duration `default:"30s" help:"Time for all of it."`

	RemoveDrained bool `help:"Remove shards that an earlier run has closed, once they are empty."`
}

// Examples are shown in the help.
func (*setupCommand) Examples() string {
	return `hogcast setup --nats-url nats://127.0.0.1:4222
hogcast setup --nats-context prod --replicas 3 --storage-bytes 500GiB
hogcast setup --shards 4                       # spread the load over four streams
hogcast setup --shards 2 --remove-drained      # fewer; twice: what is closed has to be emptied first`
}

// Run sets up, and prints what it changed.
func (c *setupCommand) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	params, err := c.params(sources)
	if err != nil {
		return err
	}
	nats, err := app.ConnectConfig(c.NATS, sources)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := queue.Connect(ctx, nats)
	if err != nil {
		return err
	}
	defer conn.Close()
	changes, err := queue.Setup(ctx, conn, params)
	err = conn.Explain(err)
	for _, change := range changes {
		fmt.Fprintln(system.Stdout, change)
	}
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		fmt.Fprintln(system.Stdout, "nothing to change")
	}
	closed, err := conn.ClosedShards(ctx)
	for _, shard := range closed {
		fmt.Fprintln(system.Stdout, shard)
	}
	return err
}

func (c *setupCommand) params(sources *config.Sources) (queue.Params, error) {
	p := queue.DefaultParams()
	switch c.Replicas {
	case 1, 3, 5:
	default:
		return p, config.Usagef("--replicas: %d is not 1, 3 or 5", c.Replicas)
	}
	if sources.Given("shards") && (c.Shards < 1 || c.Shards > queue.MaxShards) {
		return p, config.Usagef("--shards: %d is not 1 to %d", c.Shards, queue.MaxShards)
	}
	if c.AckWait < 2*queue.Heartbeat {
		return p, config.Usagef("--ack-wait: %s is less than two heartbeats, %s", c.AckWait, 2*queue.Heartbeat)
	}
	for name, quota := range map[string]int64{"max-ack-pending": int64(c.MaxAckPending), "tenant-quota": c.TenantQuota, "held-quota": c.HeldQuota, "dead-quota": c.DeadQuota} {
		if quota < 1 {
			return p, config.Usagef("--%s: %d is less than 1", name, quota)
		}
	}
	p.Replicas, p.StorageBytes = c.Replicas, int64(c.StorageBytes)
	p.TenantQuota, p.HeldQuota, p.DeadQuota = c.TenantQuota, c.HeldQuota, c.DeadQuota
	p.DeadMaxAge, p.AckWait, p.MaxAckPending = c.DeadMaxAge, c.AckWait, c.MaxAckPending
	p.Shards, p.RemoveDrained = c.Shards, c.RemoveDrained
	return p, nil
}
