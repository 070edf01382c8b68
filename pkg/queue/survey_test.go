package queue_test

import (
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestTheSurveyTellsOfEveryStreamOfOurs(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	p := queue.DefaultParams()
	p.Shards, p.StorageBytes = 3, 1<<30
	natstest.SetUp(t, c, p)
	publish(t, c, "acme", "1", []byte(`{}`)) // by a publisher that knows of no shards
	publish(t, c, "acme", "2", []byte(`{}`))
	got, err := c.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	streams := map[string]queue.StreamSurvey{}
	for _, s := range got.Streams {
		streams[s.Name] = s
	}
	for _, name := range []string{
		queue.StreamGenerations, queue.ShardStream(0), queue.ShardStream(1), queue.ShardStream(2),
		queue.StreamHeld, queue.StreamHeldHosts, queue.StreamDead, queue.StreamWakeups,
	} {
		if _, ok := streams[name]; !ok {
			t.Errorf("%s is left out", name)
		}
	}
	g := streams[queue.StreamGenerations]
	if g.Messages != 2 || g.Bytes == 0 || g.Limit <= 0 || time.Since(g.Oldest) > time.Minute || g.Replicas != 1 || g.Missing != 0 {
		t.Errorf("got %+v", g)
	}
	if w := g.Workers; w == nil || w.Pending != 2 || w.AckPending != 0 || w.Limit != queue.DefaultParams().MaxAckPending/4 {
		t.Errorf("its consumer: %+v", w)
	}
	if s := streams[queue.ShardStream(2)]; s.Workers == nil || !s.Oldest.IsZero() {
		t.Errorf("an empty shard: %+v", s)
	}
	if streams[queue.StreamHeld].Workers != nil {
		t.Error("the held stream has no consumer of the workers")
	}
}

func TestASurveyWithoutAConsumerTellsOfTheStreams(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	if err := c.JS.DeleteConsumer(t.Context(), queue.StreamGenerations, queue.ConsumerWorkers); err != nil {
		t.Fatal(err)
	}
	got, err := c.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got.Streams {
		if s.Workers != nil {
			t.Errorf("%s: %+v", s.Name, s.Workers)
		}
	}
}

func TestAWindowTellsWhatIsTakenOfIt(t *testing.T) {
	t.Parallel()
	w := queue.NewWindow(queue.DefaultWindow)
	part := w.Part(1 << 20)
	if w.Taken() != 0 || w.Size() != queue.DefaultWindow || part.Size() != 1<<20 {
		t.Errorf("taken %d of %d, part of %d", w.Taken(), w.Size(), part.Size())
	}
	part.Reserve(t.Context(), 1000)
	if w.Taken() != 1000 || part.Taken() != 1000 {
		t.Errorf("taken %d, of the part %d; want 1000 of both", w.Taken(), part.Taken())
	}
	part.Release(1000)
	if w.Taken() != 0 || part.Taken() != 0 {
		t.Errorf("given back, and %d and %d are taken", w.Taken(), part.Taken())
	}
}
