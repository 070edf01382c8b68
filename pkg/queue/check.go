package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// MinServer is the oldest server that has what hogcast needs: priority
// policies on consumers.
const MinServer = "2.12.0"

// mend is what the errors below ask for.
const mend = "run `hogcast setup --nats-url …`"

// Check reports what keeps a worker from running: an old server (ErrTooOld),
// something missing or of the wrong kind (ErrNotSetUp), or no answer
// (ErrUnavailable).
func Check(ctx context.Context, c *Conn) error {
	if err := checkVersion(c.NATS.ConnectedServerVersion()); err != nil {
		return err
	}
	want, err := wanted(ctx, c)
	if err != nil {
		return err
	}
	for _, s := range want.Streams {
		if s.Name == StreamAudit {
			continue // what people do is noted by who does it for them
		}
		got, err := c.JS.Stream(ctx, s.Name)
		if err != nil {
			return asked("stream "+s.Name, err)
		}
		if err := sameKind(got.CachedInfo().Config, s); err != nil {
			return err
		}
	}
	for _, spec := range want.Consumers {
		got, err := c.JS.Consumer(ctx, spec.Stream, spec.Config.Durable)
		if _, shard := shardOf(spec.Stream); shard && isMissing(err) {
			continue // set-up may be about to make it; a worker waits for it, and is not ready
		}
		if err != nil {
			return asked(fmt.Sprintf("consumer %s of %s", spec.Config.Durable, spec.Stream), err)
		}
		if err := sameConsumerKind(got.CachedInfo().Config, spec); err != nil {
			return err
		}
	}
	return nil
}

// wanted is the topology of as many shards as there are, open or closed.
func wanted(ctx context.Context, c *Conn) (Topology, error) {
	p := DefaultParams()
	names, err := c.GenerationStreams(ctx)
	if err != nil {
		return Topology{}, err
	}
	t := NewTopology(p)
	for _, name := range names {
		if shard, ok := shardOf(name); ok {
			stream, consumer := closed(p, shard)
			t.Streams, t.Consumers = append(t.Streams, stream), append(t.Consumers, consumer)
		}
	}
	return t, nil
}

// asked sorts the error of a question: only "not found" means not set up.
func asked(what string, err error) error {
	switch {
	case errors.Is(err, ErrPermission):
		return err
	case isMissing(err):
		return fmt.Errorf("%w: %s is missing; %s", ErrNotSetUp, what, mend)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		// Also what no responder looks like while a server starts.
		return fmt.Errorf("%w: asking for %s: JetStream is starting, or off for this server or account", ErrUnavailable, what)
	}
	return fmt.Errorf("%w: asking for %s: %w", ErrUnavailable, what, err)
}

func checkVersion(version string) error {
	if version == "" {
		return fmt.Errorf("%w: not connected", ErrUnavailable)
	}
	if !atLeast(version, MinServer) {
		return fmt.Errorf("%w: it is %s, hogcast needs %s or later; upgrade nats-server", ErrTooOld, version, MinServer)
	}
	return nil
}

// atLeast compares two versions of the form 1.2.3; a suffix (`-RC.1`) is not
// looked at.
func atLeast(version, least string) bool {
	v, l := numbers(version), numbers(least)
	for i := range v {
		if v[i] != l[i] {
			return v[i] > l[i]
		}
	}
	return true
}

func numbers(version string) (n [3]int) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	for i, part := range strings.SplitN(version, ".", 3) {
		n[i], _ = strconv.Atoi(part) // what is no number counts as 0: too old
	}
	return n
}

// sameKind refuses what can't be changed in place and would make the promises
// untrue.
func sameKind(got, want jetstream.StreamConfig) error {
	var wrong string
	switch {
	case got.Retention != want.Retention:
		wrong = fmt.Sprintf("retention is %s, not %s", got.Retention, want.Retention)
	case got.Storage != want.Storage:
		wrong = fmt.Sprintf("storage is %s, not %s", got.Storage, want.Storage)
	case got.Discard != want.Discard:
		wrong = "it discards old messages when full, which loses records silently"
	case want.MaxAge == 0 && got.MaxAge != 0:
		wrong = fmt.Sprintf("max_age is %s; a work queue must not forget records", got.MaxAge)
	default:
		return nil
	}
	return fmt.Errorf("%w: stream %s: %s; %s, or move its messages and delete it where setup refuses", ErrNotSetUp, got.Name, wrong, mend)
}

// sameConsumerKind refuses whatever would make the promises untrue.
func sameConsumerKind(got jetstream.ConsumerConfig, want ConsumerSpec) error {
	switch {
	case got.MaxDeliver > 0:
		return wrongConsumer(want, fmt.Sprintf("max_deliver is %d; it would give up on records silently", got.MaxDeliver), mend)
	case got.FilterSubject != "" || len(got.FilterSubjects) > 0:
		return wrongConsumer(want, "it has a filter, so that other tenants' messages would never be delivered", mend)
	}
	return fixedConsumerKind(got, want)
}

// fixedConsumerKind refuses what can't be changed in place.
func fixedConsumerKind(got jetstream.ConsumerConfig, want ConsumerSpec) error {
	var wrong string
	switch {
	case got.AckPolicy != want.Config.AckPolicy:
		wrong = "its acks are not explicit"
	case got.DeliverSubject != "":
		wrong = "it pushes"
	case got.DeliverPolicy != want.Config.DeliverPolicy:
		wrong = "it does not deliver from the stream's beginning"
	case got.PriorityPolicy != want.Config.PriorityPolicy || !slices.Equal(got.PriorityGroups, want.Config.PriorityGroups):
		wrong = fmt.Sprintf("its priority policy is not %s, which can't be added later", policyName(want.Config))
	default:
		return nil
	}
	return wrongConsumer(want, wrong, fmt.Sprintf(
		"stop the workers, delete it with `nats consumer rm %s %s` (no record is lost: they stay in the stream), and %s",
		want.Stream, want.Config.Durable, mend))
}

func policyName(c jetstream.ConsumerConfig) string {
	if c.PriorityPolicy == jetstream.PriorityPolicyPrioritized {
		return "prioritized in the group " + c.PriorityGroups[0]
	}
	return "none"
}

func wrongConsumer(want ConsumerSpec, wrong, remedy string) error {
	return fmt.Errorf("%w: consumer %s of %s: %s; %s", ErrNotSetUp, want.Config.Durable, want.Stream, wrong, remedy)
}
