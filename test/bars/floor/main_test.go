package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/embedded"
)

type sent struct {
	Batch []struct {
		UUID       string `json:"uuid"`
		DistinctID string `json:"distinct_id"`
		Properties struct {
			ID string `json:"id"`
		} `json:"properties"`
	} `json:"batch"`
}

// testStream is a stream with the worker's consumer, and its server.
func testStream(t *testing.T) (string, jetstream.JetStream) {
	t.Helper()
	server, err := embedded.Start(embedded.Config{StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := nats.Connect(server.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "HOGCAST_GENERATIONS", Subjects: []string{"hogcast.generations.*"}, Retention: jetstream.WorkQueuePolicy,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(t.Context(), "HOGCAST_GENERATIONS", jetstream.ConsumerConfig{
		Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy,
		PriorityPolicy: jetstream.PriorityPolicyPrioritized, PriorityGroups: []string{"workers"},
	}); err != nil {
		t.Fatal(err)
	}
	return server.ClientURL(), js
}

func TestTheFloorPostsByTenantAndAcknowledges(t *testing.T) {
	t.Parallel()
	url, js := testStream(t)
	requests := make(chan map[string]sent, 10)
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests <- map[string]sent{r.Header.Get("Authorization"): read(t, r.Body)}
	}))
	t.Cleanup(sink.Close)
	for tenant, id := range map[string]string{"t1": "7", "t2": "8"} {
		if _, err := js.Publish(t.Context(), "hogcast.generations."+tenant, []byte(`{"id":"bars-`+id+`"}`),
			jetstream.WithMsgID(tenant+"/bars-"+id)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, url, sink.URL) }()
	got := map[string]string{}
	for range 2 {
		for key, batch := range <-requests {
			for _, e := range batch.Batch {
				got[key] = e.DistinctID + " " + e.Properties.ID + " " + e.UUID
			}
		}
	}
	want := map[string]string{
		"Bearer phc_bars_1": "u7 bars-7 00000007-0000-5000-8000-000000000000",
		"Bearer phc_bars_2": "u8 bars-8 00000008-0000-5000-8000-000000000000",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	awaitEmpty(t, js)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, body io.Reader) sent {
	t.Helper()
	var out sent
	decoder, err := zstd.NewReader(body)
	if err != nil {
		t.Error(err)
		return out
	}
	defer decoder.Close()
	if err := json.UnmarshalRead(decoder, &out); err != nil {
		t.Error(err)
	}
	return out
}

func awaitEmpty(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		stream, err := js.Stream(t.Context(), "HOGCAST_GENERATIONS")
		if err != nil {
			t.Fatal(err)
		}
		if stream.CachedInfo().State.Msgs == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("not all was acknowledged")
		}
	}
}
