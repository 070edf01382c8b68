package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/queue"
)

func TestTheNamesAreThoseOfTheTopology(t *testing.T) {
	t.Parallel()
	want := []string{
		queue.StreamGenerations, queue.StreamHeld, queue.StreamHeldHosts, queue.StreamDead,
		queue.ConsumerWorkers, queue.GenerationSubject("acme"),
		queue.ShardSubject("acme", 1), queue.ShardSubject("acme", 5),
	}
	got := []string{
		streamGenerations, streamHeld, streamHeldHosts, streamDead,
		consumerWorkers, generationSubject("acme"),
		shardSubject("acme", 1), shardSubject("acme", 5),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
