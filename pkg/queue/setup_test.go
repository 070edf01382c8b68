package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestSetupTwiceChangesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	topology := queue.NewTopology(queue.DefaultParams())
	want := len(topology.Streams) + len(topology.Consumers) + len(topology.Buckets)
	if got := natstest.SetUp(t, c, queue.DefaultParams()); len(got) != want {
		t.Errorf("first set-up changed %d things, want %d: %q", len(got), want, got)
	}
	if got := natstest.SetUp(t, c, queue.DefaultParams()); len(got) != 0 {
		t.Errorf("second set-up changed %q", got)
	}
	if err := queue.Check(t.Context(), c); err != nil {
		t.Errorf("check after set-up: %v", err)
	}
}

func TestSetupSaysWhatItChanges(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	alter(t, c, queue.StreamDead, func(s *jetstream.StreamConfig) { s.MaxAge = 0 })
	p := queue.DefaultParams()
	p.AckWait = 90 * time.Second
	got := natstest.SetUp(t, c, p)
	want := []string{
		"stream HOGCAST_DEAD: max_age 0s → 720h0m0s",
		"consumer workers of HOGCAST_GENERATIONS: ack_wait 1m0s → 1m30s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestSetupDeletesNoMessageByALoweredLimit(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	for i := range 5 {
		publish(t, c, "acme", fmt.Sprint(i), []byte("{}"))
	}
	p := queue.DefaultParams()
	p.TenantQuota = 2
	_, err := queue.Setup(t.Context(), c, p)
	mentions(t, err, "HOGCAST_GENERATIONS", "hogcast.generations.acme", "5")
	if got := state(t, c, queue.StreamGenerations).Msgs; got != 5 {
		t.Errorf("%d of 5 messages are left", got)
	}
	p.TenantQuota = 5
	if got := natstest.SetUp(t, c, p); len(got) != 1 {
		t.Errorf("a limit that fits was not lowered: %q", got)
	}
}

func TestSetupExpiresNoDeadLetterByALoweredAge(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	if err := c.Publish(t.Context(), queue.Message{Subject: queue.DeadSubject("a", "b", "poison"), ID: "1"}); err != nil {
		t.Fatal(err)
	}
	alter(t, c, queue.StreamDead, func(s *jetstream.StreamConfig) { s.Duplicates = 100 * time.Millisecond })
	stored := state(t, c, queue.StreamDead).FirstTime
	natstest.Eventually(t, "the letter is older than the new age", func() bool { return time.Since(stored) > 200*time.Millisecond })
	p := queue.DefaultParams()
	p.DeadMaxAge, p.Duplicates = 200*time.Millisecond, 100*time.Millisecond
	_, err := queue.Setup(t.Context(), c, p)
	mentions(t, err, "HOGCAST_DEAD", "max_age")
	if got := state(t, c, queue.StreamDead).Msgs; got != 1 {
		t.Errorf("%d letters are left, want 1", got)
	}
}

func TestSetupRefusesWhatItCannotChangeAndSaysHowToMendIt(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	publish(t, c, "acme", "1", []byte("{}"))
	remakeWorkers(t, c, jetstream.ConsumerConfig{Durable: queue.ConsumerWorkers, AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1})
	for name, run := range map[string]func() error{
		"setup": func() error { _, err := queue.Setup(t.Context(), c, queue.DefaultParams()); return err },
		"check": func() error { return queue.Check(t.Context(), c) },
	} {
		err := run()
		if !errors.Is(err, queue.ErrNotSetUp) {
			t.Errorf("%s of a consumer without the priority policy: %v", name, err)
		}
		mentions(t, err, "prioritized", "nats consumer rm HOGCAST_GENERATIONS workers", "hogcast setup")
	}
	// The remedy works, and loses nothing.
	if err := c.JS.DeleteConsumer(t.Context(), queue.StreamGenerations, queue.ConsumerWorkers); err != nil {
		t.Fatal(err)
	}
	if got := natstest.SetUp(t, c, queue.DefaultParams()); !slices.Equal(got, []string{"created consumer workers of HOGCAST_GENERATIONS"}) {
		t.Errorf("after the remedy set-up changed %q", got)
	}
	if got := state(t, c, queue.StreamGenerations).Msgs; got != 1 {
		t.Errorf("%d messages are left, want 1", got)
	}
}

func TestSetupAndCheckRefuseAStreamOfTheWrongKind(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]jetstream.StreamConfig{
		"storage":   {Storage: jetstream.MemoryStorage, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew},
		"retention": {Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew},
	} {
		c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
		cfg.Name, cfg.Subjects = queue.StreamGenerations, []string{"hogcast.generations.*"}
		if _, err := c.JS.CreateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		_, err := queue.Setup(t.Context(), c, queue.DefaultParams())
		mentions(t, err, queue.StreamGenerations, name)
		mentions(t, queue.Check(t.Context(), c), queue.StreamGenerations, name)
	}
}

func TestReplicasOfAServerThatIsNoClusterAreRefused(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	p := queue.DefaultParams()
	p.Replicas = 3
	if changes, err := queue.Setup(t.Context(), c, p); err == nil {
		t.Errorf("set up with three replicas on one server: %q", changes)
	}
}

func TestCheckTellsMissingFromUnavailable(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, embedded.Config{})
	c := natstest.Connect(t, s)
	err := queue.Check(t.Context(), c)
	if !errors.Is(err, queue.ErrNotSetUp) {
		t.Errorf("nothing set up: %v", err)
	}
	mentions(t, err, queue.StreamGenerations, "hogcast setup --nats-url")

	natstest.SetUp(t, c, queue.DefaultParams())
	if err := c.JS.DeleteConsumer(t.Context(), queue.StreamGenerations, queue.ConsumerWorkers); err != nil {
		t.Fatal(err)
	}
	if err := queue.Check(t.Context(), c); !errors.Is(err, queue.ErrNotSetUp) || !strings.Contains(err.Error(), "consumer workers") {
		t.Errorf("consumer missing: %v", err)
	}

	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := queue.Check(ctx, c); !errors.Is(err, queue.ErrUnavailable) || errors.Is(err, queue.ErrNotSetUp) {
		t.Errorf("server gone: %v", err)
	}
}

func TestCheckRefusesWhatMakesThePromisesUntrue(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	good := queue.NewTopology(queue.DefaultParams()).Consumers[0].Config
	for want, change := range map[string]func(*jetstream.ConsumerConfig){
		"max_deliver": func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 5 },
		"filter":      func(c *jetstream.ConsumerConfig) { c.FilterSubject = "hogcast.generations.acme" },
	} {
		bad := good
		change(&bad)
		remakeWorkers(t, c, bad)
		mentions(t, queue.Check(t.Context(), c), want)
		if got := natstest.SetUp(t, c, queue.DefaultParams()); len(got) == 0 {
			t.Errorf("%s: set-up changed nothing", want)
		}
		if err := queue.Check(t.Context(), c); err != nil {
			t.Errorf("%s: check after set-up: %v", want, err)
		}
	}
	alter(t, c, queue.StreamGenerations, func(s *jetstream.StreamConfig) { s.MaxAge = time.Hour })
	mentions(t, queue.Check(t.Context(), c), "max_age")
}

func TestVersionsAreCompared(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"2.12.0": true, "2.15.2": true, "v2.12.1": true, "2.12.0-RC.1": true, "3.0.0": true,
		"2.11.99": false, "2.9.0": false, "1.99.99": false, "": false, "dev": false,
	} {
		if got := queue.AtLeast(version, queue.MinServer); got != want {
			t.Errorf("%q is at least %s: %t, want %t", version, queue.MinServer, got, want)
		}
	}
}

func alter(t *testing.T, c *queue.Conn, stream string, change func(*jetstream.StreamConfig)) {
	t.Helper()
	s, err := c.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	change(&cfg)
	if _, err := c.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func remakeWorkers(t *testing.T, c *queue.Conn, cfg jetstream.ConsumerConfig) {
	t.Helper()
	if err := c.JS.DeleteConsumer(t.Context(), queue.StreamGenerations, queue.ConsumerWorkers); err != nil {
		t.Fatal(err)
	}
	if _, err := c.JS.CreateConsumer(t.Context(), queue.StreamGenerations, cfg); err != nil {
		t.Fatal(err)
	}
}
