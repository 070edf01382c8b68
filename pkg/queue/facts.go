package queue

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/doctor"
)

func (i *inspection) stream(ctx context.Context, want jetstream.StreamConfig) doctor.Stream {
	var info jetstream.StreamInfo
	a := i.conn.ask(ctx, question{verb: "STREAM.INFO." + want.Name, into: &info})
	s := doctor.Stream{Name: want.Name, Role: roleOf(want.Name), Answer: a.Answer, Detail: a.Detail}
	if len(want.Subjects) > 0 {
		s.Subject = want.Subjects[0]
	}
	if a.Answer != doctor.Here {
		return s
	}
	streamConfig(&s, info.Config)
	s.Messages, s.Bytes = info.State.Msgs, info.State.Bytes
	s.Clustered, s.Leader, s.Peers = cluster(info.Cluster)
	i.clock(info.TimeStamp, s.Leader, a)
	return s
}

func streamConfig(s *doctor.Stream, c jetstream.StreamConfig) {
	s.Takes = c.Subjects
	s.Closed = len(c.Subjects) == 1 && strings.HasSuffix(c.Subjects[0], "."+NoToken+".closed")
	s.Replicas, s.Memory = c.Replicas, c.Storage == jetstream.MemoryStorage
	s.WorkQueue, s.Limits = c.Retention == jetstream.WorkQueuePolicy, c.Retention == jetstream.LimitsPolicy
	s.DiscardOld, s.PerSubject, s.MaxPerSubject = c.Discard == jetstream.DiscardOld, c.DiscardNewPerSubject, c.MaxMsgsPerSubject
	s.MaxBytes, s.MaxMsgs, s.MaxConsumers, s.MaxMsgSize = c.MaxBytes, c.MaxMsgs, c.MaxConsumers, int64(c.MaxMsgSize)
	s.MaxAge, s.Duplicates = c.MaxAge, c.Duplicates
	s.NoAck, s.Sealed, s.DenyDelete, s.Rollup, s.MsgTTL = c.NoAck, c.Sealed, c.DenyDelete, c.AllowRollup, c.AllowMsgTTL
	s.AsyncWrites = c.PersistMode == jetstream.AsyncPersistMode
	s.Compression = c.Compression.String()
}

// cluster tells where a stream lives. A server without a cluster names itself,
// and no cluster.
func cluster(c *jetstream.ClusterInfo) (clustered bool, leader string, peers []doctor.Peer) {
	if c == nil {
		return false, "", nil
	}
	for _, p := range c.Replicas {
		peers = append(peers, doctor.Peer{Name: p.Name, Current: p.Current, Offline: p.Offline, Lag: p.Lag})
	}
	return c.Name != "", c.Leader, peers
}

func (c *Conn) consumerFacts(ctx context.Context, want ConsumerSpec) doctor.Consumer {
	var info jetstream.ConsumerInfo
	out := doctor.Consumer{Name: want.Config.Durable, Stream: want.Stream, Role: roleOf(want.Stream)}
	a := c.ask(ctx, question{verb: "CONSUMER.INFO." + want.Stream + "." + want.Config.Durable, into: &info})
	if out.Answer, out.Detail = a.Answer, a.Detail; a.Answer != doctor.Here {
		return out
	}
	consumerConfig(&out, info.Config)
	out.Paused, out.PausedFor = info.Paused, info.PauseRemaining
	out.Pending, out.InHand, out.Waiting = info.NumPending, info.NumAckPending, info.NumWaiting
	out.DeliveredAt, out.AckedAt = info.Delivered.Consumer, info.AckFloor.Consumer
	if last := info.Delivered.Last; last != nil && !info.TimeStamp.IsZero() {
		out.Quiet = max(info.TimeStamp.Sub(*last), time.Millisecond)
	}
	return out
}

func consumerConfig(c *doctor.Consumer, from jetstream.ConsumerConfig) {
	c.AckExplicit = from.AckPolicy == jetstream.AckExplicitPolicy
	c.DeliverAll, c.Push = from.DeliverPolicy == jetstream.DeliverAllPolicy, from.DeliverSubject != ""
	c.Filter = from.FilterSubjects
	if from.FilterSubject != "" {
		c.Filter = append(c.Filter, from.FilterSubject)
	}
	c.AckWait, c.BackOff, c.MaxAckPending, c.MaxDeliver = from.AckWait, len(from.BackOff), from.MaxAckPending, from.MaxDeliver
	c.Prioritized = from.PriorityPolicy == jetstream.PriorityPolicyPrioritized &&
		len(from.PriorityGroups) == 1 && from.PriorityGroups[0] == PriorityGroup
	c.HeadersOnly, c.Memory, c.Replicas, c.Inactive = from.HeadersOnly, from.MemoryStorage, from.Replicas, from.InactiveThreshold
	c.MaxWaiting, c.MaxBatch, c.MaxExpires, c.MaxPullBytes = from.MaxWaiting, from.MaxRequestBatch, from.MaxRequestExpires, from.MaxRequestMaxBytes
}

func (i *inspection) bucket(ctx context.Context, want jetstream.KeyValueConfig) doctor.Bucket {
	var info jetstream.StreamInfo
	name := "KV_" + want.Bucket
	a := i.conn.ask(ctx, question{verb: "STREAM.INFO." + name, into: &info})
	b := doctor.Bucket{
		Name: want.Bucket, Answer: a.Answer, Detail: a.Detail, WantHistory: int(max(want.History, 1)), WantTTL: want.TTL,
	}
	if a.Answer != doctor.Here {
		return b
	}
	b.History, b.TTL = int(max(info.Config.MaxMsgsPerSubject, 0)), info.Config.MaxAge
	b.Replicas, b.Memory = info.Config.Replicas, info.Config.Storage == jetstream.MemoryStorage
	b.Keys = info.State.NumSubjects
	b.Clustered, b.Leader, b.Peers = cluster(info.Cluster)
	i.clock(info.TimeStamp, b.Leader, a)
	return b
}

// LeastWindow is the smallest window that a worker starts with, in bytes, where
// the server takes messages of max_payload.
func LeastWindow(maxPayload int64) int64 { return footprint(int(maxPayload) + headerRoom) }

// InWindow is how many records of a size fit into a window.
func InWindow(window int64, record int) int { return int(window / footprint(record)) }

// What workers' pulls ask for.
const (
	PullBatch = fetchMessages
	PullWait  = fetchWait
)
