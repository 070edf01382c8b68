// Package queue is everything that knows JetStream: topology, connecting,
// publishing, consuming, settling. Layer 2: it knows one foreign system, and
// nothing else does. Consumer.Run owns the goroutines of fetching and of
// heartbeats; the connection's belong to nats.go and end with Conn.Close.
package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Streams.
const (
	StreamGenerations = "HOGCAST_GENERATIONS"
	StreamHeld        = "HOGCAST_HELD"
	StreamHeldHosts   = "HOGCAST_HELD_HOSTS"
	StreamWakeups     = "HOGCAST_WAKEUPS"
	StreamDead        = "HOGCAST_DEAD"
	StreamAudit       = "HOGCAST_AUDIT"
)

// Key-value buckets.
const (
	BucketDestinations = "hogcast_destinations"
	BucketState        = "hogcast_state"
	BucketJobs         = "hogcast_jobs"
	BucketWorkers      = "hogcast_workers"
)

// Durable consumers, and the one priority group of ConsumerWorkers.
const (
	ConsumerWorkers = "workers"
	ConsumerWakeups = "wakeups"
	PriorityGroup   = "workers"
)

// Subjects begin with these.
const (
	prefixGenerations = "hogcast.generations."
	prefixHeld        = "hogcast.held."
	prefixHeldHost    = "hogcast.heldhost."
	prefixWakeups     = "hogcast.wakeups."
	prefixDead        = "hogcast.dead."
	prefixAudit       = "hogcast.audit."
)

// NoToken stands for a token of a subject that can't be told.
const NoToken = "_"

// GenerationSubject is where a tenant's records are published.
func GenerationSubject(tenant string) string { return prefixGenerations + tenant }

// HeldSubject is where a destination's held branches are.
func HeldSubject(tenant, destination string) string {
	return prefixHeld + tenant + "." + destination
}

// HostToken stands for an endpoint's host in subjects and keys.
func HostToken(host string) string {
	sum := sha256.Sum256([]byte(host))
	return hex.EncodeToString(sum[:8])
}

// GuardToken stands for a cause of the poison guard, where a host's token does:
// what is held for it is in a line of its own.
func GuardToken(cause string) string { return HostToken("guard: " + cause) }

// HeldHostSubject is where a destination's held branches are while its endpoint
// host, given by its token, fails for many.
func HeldHostSubject(hostToken, tenant, destination string) string {
	return prefixHeldHost + hostToken + "." + tenant + "." + destination
}

// HeldHostFilter matches all that is held for a host.
func HeldHostFilter(hostToken string) string { return prefixHeldHost + hostToken + ".*.*" }

// ParseHeldSubject takes a held branch's subject apart; hostToken is "" unless
// it is held for its host.
func ParseHeldSubject(subject string) (hostToken, tenant, destination string, ok bool) {
	if rest, ok := strings.CutPrefix(subject, prefixHeldHost); ok {
		parts := strings.Split(rest, ".")
		if len(parts) != 3 {
			return "", "", "", false
		}
		return parts[0], parts[1], parts[2], true
	}
	rest, ok := strings.CutPrefix(subject, prefixHeld)
	tenant, destination, found := strings.Cut(rest, ".")
	return "", tenant, destination, ok && found && !strings.Contains(destination, ".")
}

// StreamOfHeld is the stream of a held subject.
func StreamOfHeld(subject string) string {
	if strings.HasPrefix(subject, prefixHeldHost) {
		return StreamHeldHosts
	}
	return StreamHeld
}

// WakeupSubject is a destination's timer and lease.
func WakeupSubject(tenant, destination string) string {
	return prefixWakeups + tenant + "." + destination
}

// HostWakeupSubject is the timer and lease of what is held for a host: in the
// tenant's place NoToken, which is no name.
func HostWakeupSubject(hostToken string) string { return WakeupSubject(NoToken, hostToken) }

// ParseWakeupSubject takes a wake-up's subject apart: the subject that it wakes
// the drain of, and whose it is; hostToken is "" unless it is a host's.
func ParseWakeupSubject(subject string) (held, hostToken, tenant, destination string, ok bool) {
	rest, ok := strings.CutPrefix(subject, prefixWakeups)
	tenant, destination, found := strings.Cut(rest, ".")
	switch {
	case !ok || !found || strings.Contains(destination, "."):
		return "", "", "", "", false
	case tenant == NoToken:
		return HeldHostFilter(destination), destination, "", "", true
	}
	return HeldSubject(tenant, destination), "", tenant, destination, true
}

// DeadSubject is where a destination's dead letters of a reason are. An empty
// tenant or destination is one that can't be told.
func DeadSubject(tenant, destination, reason string) string {
	return prefixDead + token(tenant) + "." + token(destination) + "." + reason
}

func token(s string) string {
	if s == "" {
		return NoToken
	}
	return s
}

// TenantOf is the tenant of a generation message's subject; "" where the
// subject is none of ours. A sharded subject has the partition before it.
func TenantOf(subject string) string {
	rest, ok := strings.CutPrefix(subject, prefixGenerations)
	if !ok {
		return ""
	}
	return rest[strings.LastIndexByte(rest, '.')+1:]
}

// Params are the settings of the topology.
type Params struct {
	Replicas       int           // copies of each stream and bucket; 1, 3 or 5; default 1
	StorageBytes   int64         // what all streams may store together; default: what the account may, else no limit
	TenantQuota    int64         // waiting records a tenant; default 10 million
	HeldQuota      int64         // held branches a destination; default 2 million
	DeadQuota      int64         // dead letters a destination and reason; default 1 million
	DeadMaxAge     time.Duration // default 30 days
	Duplicates     time.Duration // window in which a message id is remembered; default 2 minutes
	AckWait        time.Duration // default 60 s
	MaxAckPending  int           // of all generation streams together; default 50,000
	WakeupsAckWait time.Duration // default 30 s
	// Shards over which publishers spread generation records, up to MaxShards;
	// 1: all go to one stream. Default: as many as there are, 1 at first.
	Shards int
	// RemoveDrained removes closed shards that are empty.
	RemoveDrained bool
}

// Validate refuses what makes no sense of the shards.
func (p Params) Validate() error {
	if p.Shards < 0 || p.Shards > MaxShards {
		return fmt.Errorf("shards: %d is not 1 to %d", p.Shards, MaxShards)
	}
	return nil
}

// parts is how many generation streams share what is set for all of them.
func (p Params) parts() int64 {
	if p.Shards < 2 {
		return 1
	}
	return int64(p.Shards) + 1 // StreamGenerations stays beside the shards
}

// DefaultParams returns the defaults.
func DefaultParams() Params {
	return Params{
		Replicas: 1, TenantQuota: 10_000_000, HeldQuota: 2_000_000, DeadQuota: 1_000_000,
		DeadMaxAge: 30 * 24 * time.Hour, Duplicates: 2 * time.Minute,
		AckWait: 60 * time.Second, MaxAckPending: 50_000, WakeupsAckWait: 30 * time.Second,
	}
}

// Topology is every stream, consumer and bucket that hogcast needs.
type Topology struct {
	Streams   []jetstream.StreamConfig
	Consumers []ConsumerSpec
	Buckets   []jetstream.KeyValueConfig
}

// ConsumerSpec is one durable consumer of one stream.
type ConsumerSpec struct {
	Stream string
	Config jetstream.ConsumerConfig
}

// NewTopology builds the topology. Pure.
func NewTopology(p Params) Topology {
	return Topology{Streams: streams(p), Consumers: consumers(p), Buckets: buckets(p)}
}

// Shares of the storage, in percent. What comes in and what waits get most;
// wake-ups are a few bytes a destination.
const (
	shareGenerations = 35
	shareHeld        = 30
	shareHeldHosts   = 15
	shareDead        = 15
	shareAudit       = 1
)

func streams(p Params) []jetstream.StreamConfig {
	stream := func(name, subject string, share int64, perSubject int64) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Subjects: []string{subject}, Storage: jetstream.FileStorage,
			Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew,
			DiscardNewPerSubject: true, MaxMsgsPerSubject: perSubject,
			MaxBytes: shareOf(p.StorageBytes, share), MaxMsgs: -1, MaxConsumers: -1, MaxMsgSize: -1,
			Duplicates: p.Duplicates, Replicas: p.Replicas, AllowDirect: true,
		}
	}
	generations := func(name, subject string) jetstream.StreamConfig {
		s := stream(name, subject, shareGenerations, p.TenantQuota)
		if s.MaxBytes > 0 {
			s.MaxBytes = max(s.MaxBytes/p.parts(), 1)
		}
		return s
	}
	dead := stream(StreamDead, prefixDead+"*.*.*", shareDead, p.DeadQuota)
	dead.Retention, dead.MaxAge = jetstream.LimitsPolicy, p.DeadMaxAge
	all := []jetstream.StreamConfig{generations(StreamGenerations, prefixGenerations+"*")}
	for _, shard := range shards(p) {
		all = append(all, generations(ShardStream(shard), openSubject(shard)))
	}
	return append(all,
		stream(StreamHeld, prefixHeld+"*.*", shareHeld, p.HeldQuota),
		stream(StreamHeldHosts, prefixHeldHost+"*.*.*", shareHeldHosts, p.HeldQuota),
		// One message a subject and no other limit: that it is full can only
		// mean that the destination's wake-up exists.
		stream(StreamWakeups, prefixWakeups+"*.*", 0, 1),
		dead,
		auditStream(stream(StreamAudit, prefixAudit+"*.*", shareAudit, auditQuota)),
	)
}

func shareOf(total, percent int64) int64 {
	if total <= 0 || percent == 0 {
		return -1
	}
	return total / 100 * percent
}

// leastAckPending is what each generation stream may have in workers' hands,
// however many they share MaxAckPending with: a window of small records.
const leastAckPending = 5000

func consumers(p Params) []ConsumerSpec {
	all := []ConsumerSpec{workers(p, StreamGenerations)}
	for _, shard := range shards(p) {
		all = append(all, workers(p, ShardStream(shard)))
	}
	return append(all, ConsumerSpec{StreamWakeups, jetstream.ConsumerConfig{
		Durable: ConsumerWakeups, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: p.WakeupsAckWait, MaxAckPending: -1, MaxDeliver: -1, MaxWaiting: 2048,
	}})
}

// workers is the consumer of a generation stream.
func workers(p Params, stream string) ConsumerSpec {
	pending := p.MaxAckPending
	if pending > 0 {
		pending = max(pending/int(p.parts()), min(pending, leastAckPending))
	}
	return ConsumerSpec{stream, jetstream.ConsumerConfig{
		Durable: ConsumerWorkers, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: p.AckWait, MaxAckPending: pending,
		// Never by count: poison is judged from the number of deliveries.
		MaxDeliver: -1, MaxWaiting: 2048,
		// Can't be added later; ranks give workers affinity without leases.
		PriorityPolicy: jetstream.PriorityPolicyPrioritized, PriorityGroups: []string{PriorityGroup},
	}}
}

// shards are the numbers of those that are open.
func shards(p Params) []int {
	if p.Shards < 2 {
		return nil
	}
	all := make([]int, p.Shards)
	for i := range all {
		all[i] = i
	}
	return all
}

// closed is a shard that is to be emptied: no subject that anybody publishes
// to, and no storage set apart for more.
func closed(p Params, shard int) (jetstream.StreamConfig, ConsumerSpec) {
	alone := p
	alone.Shards = 1
	s := streams(alone)[0]
	s.Name, s.Subjects = ShardStream(shard), []string{closedSubject(shard)}
	if s.MaxBytes > 0 {
		s.MaxBytes = 1
	}
	return s, workers(p, s.Name)
}

func buckets(p Params) []jetstream.KeyValueConfig {
	bucket := func(name string, history uint8, ttl time.Duration) jetstream.KeyValueConfig {
		return jetstream.KeyValueConfig{
			Bucket: name, History: history, TTL: ttl, Storage: jetstream.FileStorage, Replicas: p.Replicas,
		}
	}
	return []jetstream.KeyValueConfig{
		bucket(BucketDestinations, 10, 0),
		bucket(BucketState, 1, 0),
		bucket(BucketJobs, 1, 0),
		bucket(BucketWorkers, 1, 15*time.Second),
	}
}

// DeadFilter matches the dead letters of a tenant, destination and reason; an
// empty one matches all.
func DeadFilter(tenant, destination, reason string) string {
	return prefixDead + wildcard(tenant) + "." + wildcard(destination) + "." + wildcard(reason)
}

func wildcard(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

// ParseDeadSubject takes a dead letter's subject apart; NoToken is "".
func ParseDeadSubject(subject string) (tenant, destination, reason string, ok bool) {
	rest, ok := strings.CutPrefix(subject, prefixDead)
	parts := strings.Split(rest, ".")
	if !ok || len(parts) != 3 {
		return "", "", "", false
	}
	for i := range parts[:2] {
		if parts[i] == NoToken {
			parts[i] = ""
		}
	}
	return parts[0], parts[1], parts[2], true
}
