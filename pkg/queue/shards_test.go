package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func sharded(n int) queue.Params {
	p := queue.DefaultParams()
	p.Shards = n
	return p
}

// publishTo publishes as somebody does who takes so many shards for granted.
func publishTo(t *testing.T, c *queue.Conn, shards int, tenant, id string, body []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m := queue.Message{Subject: queue.ShardSubject(tenant, shards), ID: tenant + "/" + id, Body: body}
	if err := c.Publish(ctx, m); err != nil {
		t.Fatal(err)
	}
}

// inShard is a tenant of that shard.
func inShard(shard, shards int) string {
	for i := 0; ; i++ {
		tenant := fmt.Sprintf("t%d", i)
		if strings.HasPrefix(queue.ShardSubject(tenant, shards), fmt.Sprintf("hogcast.generations.%d.", shard)) {
			return tenant
		}
	}
}

func streamNames(t *testing.T, c *queue.Conn) []string {
	t.Helper()
	all, err := c.GenerationStreams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheServersOwnMappingPutsATenantIntoTheSameShard(t *testing.T) {
	t.Parallel()
	const shards = 5
	s := natstest.Configured(t, fmt.Sprintf(`
listen: "127.0.0.1:-1"
jetstream { store_dir: %q }
mappings { "hogcast.generations.*": "hogcast.generations.{{partition(%d,1)}}.{{wildcard(1)}}" }
`, t.TempDir(), shards))
	c := natstest.ConnectAs(t, queue.ConnectConfig{URLs: []string{s.ClientURL()}})
	natstest.SetUp(t, c, sharded(shards))
	want := map[string]uint64{}
	for i := range 200 {
		tenant := fmt.Sprintf("Tenant_%d-%d", i, i*i)
		publish(t, c, tenant, "1", []byte("{}")) // to hogcast.generations.<tenant>
		want[queue.ShardSubject(tenant, shards)]++
	}
	got := map[string]uint64{}
	for shard := range shards {
		counts, err := c.CountBySubject(t.Context(), queue.ShardStream(shard), ">")
		if err != nil {
			t.Fatal(err)
		}
		if len(counts) == 0 {
			t.Errorf("shard %d has none of 200 tenants", shard)
		}
		for subject, n := range counts {
			got[subject] += n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records by subject (-ours +the server's):\n%s", diff)
	}
}

func TestSetupMakesMoreAndFewerShardsAndLosesNothing(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	is := func(p queue.Params, changes ...string) {
		t.Helper()
		if diff := cmp.Diff(changes, natstest.SetUp(t, c, p)); diff != "" {
			t.Errorf("%d shards (-want +got):\n%s", p.Shards, diff)
		}
		if got := natstest.SetUp(t, c, p); len(got) != 0 {
			t.Errorf("%d shards, again: %q", p.Shards, got)
		}
		if err := queue.Check(t.Context(), c); err != nil {
			t.Errorf("%d shards: %v", p.Shards, err)
		}
	}
	shards := func(want int, streams ...string) {
		t.Helper()
		if got, err := c.Shards(t.Context()); got != want || err != nil {
			t.Errorf("%d shards, %v; want %d", got, err, want)
		}
		if got := streamNames(t, c); !slices.Equal(got, streams) {
			t.Errorf("streams are %q, want %q", got, streams)
		}
	}
	const base, s0, s1, s2 = "HOGCAST_GENERATIONS", "HOGCAST_GENERATIONS_0", "HOGCAST_GENERATIONS_1", "HOGCAST_GENERATIONS_2"
	shards(1, base)

	is(sharded(3),
		"created stream HOGCAST_GENERATIONS_0 (hogcast.generations.0.*)",
		"created stream HOGCAST_GENERATIONS_1 (hogcast.generations.1.*)",
		"created stream HOGCAST_GENERATIONS_2 (hogcast.generations.2.*)",
		"consumer workers of HOGCAST_GENERATIONS: max_ack_pending 50000 → 12500",
		"created consumer workers of HOGCAST_GENERATIONS_0",
		"created consumer workers of HOGCAST_GENERATIONS_1",
		"created consumer workers of HOGCAST_GENERATIONS_2",
	)
	shards(3, base, s0, s1, s2)
	publishTo(t, c, 3, inShard(2, 3), "1", []byte("{}"))
	is(queue.DefaultParams()) // keeps what there is

	is(sharded(2),
		"stream HOGCAST_GENERATIONS_2: subjects [hogcast.generations.2.*] → [hogcast.generations.2._.closed]",
		"consumer workers of HOGCAST_GENERATIONS_2: max_ack_pending 12500 → 16666",
		"consumer workers of HOGCAST_GENERATIONS: max_ack_pending 12500 → 16666",
		"consumer workers of HOGCAST_GENERATIONS_0: max_ack_pending 12500 → 16666",
		"consumer workers of HOGCAST_GENERATIONS_1: max_ack_pending 12500 → 16666",
	)
	shards(2, base, s0, s1, s2)
	closed, err := c.ClosedShards(t.Context())
	if err != nil || len(closed) != 1 || closed[0].Left != 1 || !strings.Contains(closed[0].String(), "1 records are left") {
		t.Errorf("closed: %v, %v", closed, err)
	}

	remove := sharded(2)
	remove.RemoveDrained = true
	is(remove) // nothing: a record is left
	if err := c.Delete(t.Context(), s2, 1); err != nil {
		t.Fatal(err)
	}
	is(sharded(2)) // nothing: nobody has asked for it
	is(remove, "removed stream HOGCAST_GENERATIONS_2 (closed and empty)")
	shards(2, base, s0, s1)

	all := sharded(1)
	all.RemoveDrained = true
	if got := natstest.SetUp(t, c, all); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "removed") }) {
		t.Errorf("shards were removed by the run that closed them: %q", got)
	}
	shards(1, base, s0, s1)
	natstest.SetUp(t, c, sharded(2))
	shards(2, base, s0, s1) // open again
}

func TestShardsFitIntoAnAccountThatIsFullyShared(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{MaxStore: 64 << 20}))
	for i, shards := range []int{1, 3, 6, 2, 4, 1} {
		p := sharded(shards)
		p.StorageBytes = 64 << 20
		natstest.SetUp(t, c, p)
		publishTo(t, c, shards, "acme", fmt.Sprint(i), make([]byte, 100<<10))
	}
	var records uint64
	for _, name := range streamNames(t, c) {
		records += state(t, c, name).Msgs
	}
	if records != 6 {
		t.Errorf("%d of 6 records are left", records)
	}
}

func TestSenselessNumbersOfShardsAreRefused(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	for _, n := range []int{-1, queue.MaxShards + 1} {
		_, err := queue.Setup(t.Context(), c, sharded(n))
		mentions(t, err, "shards", fmt.Sprint(n), "64")
	}
}

func TestAllStreamsThatThereAreAreConsumed(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), sharded(4))
	publish(t, c, "acme", "published before there were shards", []byte("{}"))
	for shard := range 4 {
		publishTo(t, c, 4, inShard(shard, 4), "1", []byte("{}"))
	}
	natstest.SetUp(t, c, sharded(2)) // two are closed with a record in each
	w := work(t, c, queue.ConsumerConfig{Window: window})
	from := map[string]string{}
	for range 5 {
		d := receive(t, w.got, "a delivery from each stream")
		from[d.Stream] = queue.TenantOf(d.Subject)
		w.Settle(d, queue.Ack())
	}
	want := map[string]string{queue.StreamGenerations: "acme"}
	for shard := range 4 {
		want[queue.ShardStream(shard)] = inShard(shard, 4)
	}
	if diff := cmp.Diff(want, from); diff != "" {
		t.Errorf("tenants by stream (-want +got):\n%s", diff)
	}
	natstest.Eventually(t, "ready", w.Ready)
	w.stop(t)
	if !window.TakeAll() {
		t.Error("the window was not given back whole")
	}
}

func TestShardsThatComeAndGoAreFollowed(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	w := work(t, c, queue.ConsumerConfig{LookEvery: 50 * time.Millisecond})
	natstest.SetUp(t, c, sharded(3))
	for shard := range 3 {
		publishTo(t, c, 3, inShard(shard, 3), "1", []byte("{}"))
	}
	for range 3 {
		w.Settle(receive(t, w.got, "a delivery from a stream that has come"), queue.Ack())
	}
	natstest.SetUp(t, c, sharded(1))
	remove := sharded(1)
	remove.RemoveDrained = true
	natstest.Eventually(t, "the drained shards are removed", func() bool {
		natstest.SetUp(t, c, remove)
		return len(streamNames(t, c)) == 1
	})
	natstest.Eventually(t, "nothing is asked of them any more", func() bool { return len(w.Streams()) == 1 && w.Ready() })
	natstest.SetUp(t, c, sharded(2))
	publishTo(t, c, 2, inShard(1, 2), "again", []byte("{}"))
	w.Settle(receive(t, w.got, "a delivery from a stream that is there again"), queue.Ack())
	w.stop(t)
}

func TestAStreamThatDoesNotAnswerIsToldAndStopsNoOther(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), sharded(2))
	w := work(t, c, queue.ConsumerConfig{LookEvery: 50 * time.Millisecond})
	natstest.Eventually(t, "ready", w.Ready)
	if err := c.JS.DeleteConsumer(t.Context(), queue.ShardStream(1), queue.ConsumerWorkers); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "told", func() bool { return strings.Contains(w.Unready(), "HOGCAST_GENERATIONS_1") })
	for i := range 3 * 256 { // several pulls
		publishTo(t, c, 2, inShard(0, 2), fmt.Sprint(i), []byte("{}"))
		w.Settle(receive(t, w.got, "a delivery from the other"), queue.Ack())
	}
	if w.Ready() {
		t.Error("ready, though a stream is not consumed")
	}
	natstest.SetUp(t, c, sharded(2))
	publishTo(t, c, 2, inShard(1, 2), "1", []byte("{}"))
	w.Settle(receive(t, w.got, "a delivery from the stream whose consumer is back"), queue.Ack())
	natstest.Eventually(t, "ready again", w.Ready)
	w.stop(t)
}

func TestManyStreamsShareTheWindowAndTakeTheLargestMessages(t *testing.T) {
	t.Parallel()
	const payload, shards = 1 << 20, 8
	window := queue.NewWindow(4 * queue.Footprint(payload+queue.HeaderRoom))
	c, _ := ready(t, embedded.Config{MaxPayload: payload}, sharded(shards))
	w := work(t, c, queue.ConsumerConfig{Window: window})
	natstest.Eventually(t, "all wait at the server at one time", func() bool {
		for _, stream := range streamNames(t, c) {
			consumer, err := c.JS.Consumer(t.Context(), stream, queue.ConsumerWorkers)
			if err != nil || consumer.CachedInfo().NumWaiting < 2 {
				return false
			}
		}
		return true
	})
	large := bytes.Repeat([]byte("x"), payload-1024)
	var publishing sync.WaitGroup
	for shard := range shards {
		tenant := inShard(shard, shards)
		publishing.Go(func() {
			for i := range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				m := queue.Message{Subject: queue.ShardSubject(tenant, shards), ID: fmt.Sprint(tenant, i), Body: large}
				if err := c.Publish(ctx, m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 * shards {
		d := receive(t, w.got, "a large message")
		if len(d.Data) != len(large) {
			t.Errorf("%d bytes", len(d.Data))
		}
		w.Settle(d, queue.Ack())
	}
	publishing.Wait()
	w.stop(t)
	if !window.TakeAll() {
		t.Error("the window was not given back whole")
	}
}

func TestOneStreamsBacklogLeavesTheOthersTheirTurn(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), sharded(2))
	body := make([]byte, 20<<10)
	window := queue.NewWindow(100 * queue.Footprint(len(body)))
	for i := range 2000 {
		publishTo(t, c, 2, inShard(0, 2), fmt.Sprint(i), body)
	}
	w := work(t, c, queue.ConsumerConfig{Window: window})
	busy, quiet := 0, 0
	var inHand []*queue.Delivery
	for quiet < 20 && busy < 2000 {
		if busy%10 == 0 && quiet*10 <= busy {
			publishTo(t, c, 2, inShard(1, 2), fmt.Sprint(busy), []byte("{}"))
		}
		d := receive(t, w.got, "a delivery")
		if d.Stream == queue.ShardStream(1) {
			quiet++
			w.Settle(d, queue.Ack())
			continue
		}
		busy++
		// The backlog's records stay in hand until the window is full of them.
		if inHand = append(inHand, d); len(inHand) > 50 {
			w.Settle(inHand[0], queue.Ack())
			inHand = inHand[1:]
		}
	}
	if quiet < 20 {
		t.Errorf("%d of the quiet stream's records beside %d of the backlog", quiet, busy)
	}
	w.stop(t)
}

func TestAWorkerWithoutTheStreamThatIsAlwaysThereEnds(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), sharded(2))
	if err := c.JS.DeleteStream(t.Context(), queue.StreamGenerations); err != nil {
		t.Fatal(err)
	}
	w := newWorker(t, c, queue.ConsumerConfig{})
	mentions(t, w.Run(t.Context(), func(*queue.Delivery) {}), "HOGCAST_GENERATIONS is missing", "hogcast setup")
}

func TestAShardWhoseConsumerIsStillToBeMadeIsWaitedFor(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), sharded(2))
	if err := c.JS.DeleteConsumer(t.Context(), queue.ShardStream(1), queue.ConsumerWorkers); err != nil {
		t.Fatal(err)
	}
	publish(t, c, "acme", "1", []byte("{}"))
	publishTo(t, c, 2, inShard(1, 2), "1", []byte("{}"))
	if err := queue.Check(t.Context(), c); err != nil {
		t.Error(err)
	}
	w := work(t, c, queue.ConsumerConfig{})
	w.Settle(receive(t, w.got, "a delivery from the other stream"), queue.Ack())
	natstest.Eventually(t, "told", func() bool { return strings.Contains(w.Unready(), "HOGCAST_GENERATIONS_1") })
	natstest.SetUp(t, c, sharded(2))
	w.Settle(receive(t, w.got, "a delivery from the shard"), queue.Ack())
	natstest.Eventually(t, "ready", w.Ready)
	w.stop(t)
}

func TestStreamsOfOthersAreNoShards(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	for i, name := range []string{"HOGCAST_GENERATIONS_x", "HOGCAST_GENERATIONS_01", "HOGCAST_GENERATIONS_-1", "COPY"} {
		_, err := c.JS.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{fmt.Sprintf("hogcast.generations.x%d.*", i)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := streamNames(t, c); !slices.Equal(got, []string{queue.StreamGenerations}) {
		t.Errorf("streams are %q", got)
	}
	if n, err := c.Shards(t.Context()); n != 1 || err != nil {
		t.Errorf("%d shards, %v", n, err)
	}
}
