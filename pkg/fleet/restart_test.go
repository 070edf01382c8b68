package fleet_test

import (
	"net/url"
	"strconv"
	"testing"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestWorkersGoOnWhenNATSIsBack(t *testing.T) {
	t.Parallel()
	cfg := embedded.Config{StoreDir: t.TempDir(), MaxPayload: 64 << 10}
	first := natstest.Start(t, cfg)
	u, err := url.Parse(first.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	tn := &town{first, natstest.Connect(t, first)}
	natstest.SetUp(t, tn.outside, queue.DefaultParams())
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	before, during, after := destinationOf("before"), destinationOf("during"), destinationOf("after")
	a.Observe(before, unauthorized())
	within(t, promptly, "both know of it", func() bool { return gate(b, before) == fleet.Park })

	first.Stop()
	a.Observe(during, unauthorized())
	if gate(a, during) != fleet.Park || gate(a, before) != fleet.Park {
		t.Error("without NATS a worker does not decide by itself")
	}
	if a.Claim(t.Context(), fleet.Key{ID: before.ID}) {
		t.Error("claimed without NATS")
	}
	b.Observe(before, accepted())
	natstest.Start(t, cfg)

	within(t, patience, "what was seen meanwhile is shared", func() bool {
		return gate(b, during) == fleet.Park && gate(a, before) == fleet.Pass
	})
	a.Observe(after, unauthorized())
	within(t, promptly, "all is as before", func() bool { return gate(b, after) == fleet.Park })
	agree(t, tn, during, a, b)
	late := tn.worker(t, "c")
	within(t, patience, "the workers are counted", func() bool { return late.Workers() == 3 })
}
