package doctor_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/doctor"
	"github.com/hogcast/hogcast/test/golden"
)

// healthy is a cluster of three where all is as it should be.
func healthy() doctor.Snapshot {
	peers := []doctor.Peer{{Name: "n2", Current: true}, {Name: "n3", Current: true, Lag: 7}}
	stream := func(name, subject string, role doctor.Role) doctor.Stream {
		return doctor.Stream{
			Name: name, Role: role, Subject: subject, Takes: []string{subject}, Replicas: 3, WorkQueue: role.Queue(), Limits: !role.Queue(),
			PerSubject: true, MaxPerSubject: 1_000_000, MaxBytes: 100 << 30, MaxMsgs: -1, MaxConsumers: -1, MaxMsgSize: -1,
			Duplicates: 2 * time.Minute, Messages: 1200, Bytes: 5 << 20, Leader: "n1", Clustered: true, Peers: peers, Compression: "none",
		}
	}
	wakeups := stream("HOGCAST_WAKEUPS", "hogcast.wakeups.*.*", doctor.Wakeups)
	wakeups.MaxPerSubject, wakeups.MaxBytes = 1, -1
	dead := stream("HOGCAST_DEAD", "hogcast.dead.*.*.*", doctor.DeadLetters)
	dead.MaxAge = 30 * 24 * time.Hour
	bucket := func(name string, history int, ttl time.Duration) doctor.Bucket {
		return doctor.Bucket{
			Name: name, History: history, WantHistory: history, TTL: ttl, WantTTL: ttl, Replicas: 3, Keys: 12, Leader: "n2", Clustered: true, Peers: peers,
		}
	}
	consumer := doctor.Consumer{
		Name: "workers", Stream: "HOGCAST_GENERATIONS", Role: doctor.Generations, AckExplicit: true, DeliverAll: true, AckWait: time.Minute,
		MaxAckPending: 50_000, MaxDeliver: -1, Prioritized: true, MaxWaiting: 2048, Pending: 1000, InHand: 200, Waiting: 4, Moved: true, Watched: 2 * time.Second,
	}
	wakers := consumer
	wakers.Name, wakers.Stream, wakers.Role, wakers.AckWait, wakers.MaxAckPending, wakers.Prioritized = "wakeups", wakeups.Name, doctor.Wakeups, 30*time.Second, -1, false
	node := func(name string) doctor.Node {
		return doctor.Node{
			Name: name, Version: "2.12.3", JetStream: true, SyncAlways: true, SyncInterval: 2 * time.Minute, Store: 10 << 30, MaxStore: 1 << 40,
			TLS: true, ClusterTLS: true, MetaSize: 3, MetaLeader: "n1",
		}
	}
	return doctor.Snapshot{
		Server: doctor.Server{
			URL: "nats://n1:4222", Name: "n1", Version: "2.12.3", Needs: "2.12.0", Cluster: "hub", MaxPayload: 8 << 20, TLS: true, SkewKnown: true,
		},
		Account: doctor.AccountFacts{Tiers: []doctor.Tier{{Store: 20 << 30, MaxStore: 500 << 30, Consumers: 9, MaxConsumers: -1}}},
		Nodes:   []doctor.Node{node("n1"), node("n2"), node("n3")},
		File:    doctor.ServerFile{Path: "nats.conf", Encrypted: true, Cipher: "ChaCha20-Poly1305", SyncAlways: true},
		Streams: []doctor.Stream{
			stream("HOGCAST_GENERATIONS", "hogcast.generations.*", doctor.Generations),
			stream("HOGCAST_HELD", "hogcast.held.*.*", doctor.HeldWork), wakeups, dead,
		},
		Consumers: []doctor.Consumer{consumer, wakers},
		Buckets:   []doctor.Bucket{bucket("hogcast_destinations", 10, 0), bucket("hogcast_workers", 1, 15*time.Second)},
		Fleet:     doctor.FleetFacts{Workers: 4, Versions: map[string]int{"1.2.0": 4}, States: map[string]int{"draining": 1}},
		Worker: doctor.WorkerFacts{
			Given: true, Window: 64 << 20, MainLaneMax: 15 * time.Second, RequestTimeout: 10 * time.Second, DrainTimeout: 20 * time.Second,
			Heartbeat: 20 * time.Second, PullBatch: 256, PullWait: 2 * time.Second, LeastWindow: 17 << 20, InWindow: 6000, InWindowAtLeast: 1900,
			FromFile: true, Destinations: 40, Defaults: 1, DefaultsOn: true, KeysTold: true, KeyRing: "secrets-key-file",
		},
	}
}

func TestAHealthyClusterPassesEveryCheck(t *testing.T) {
	t.Parallel()
	all := doctor.Examine(healthy())
	for _, f := range all {
		if f.Level != doctor.OK || f.What == "" || f.Why+f.Mend != "" {
			t.Errorf("%+v", f)
		}
	}
	if got := doctor.Worst(all); got != doctor.OK {
		t.Errorf("worst is %s", got)
	}
}

const (
	ok      = doctor.OK
	warning = doctor.Warning
	problem = doctor.Problem
	unknown = doctor.Unknown
)

// cases break one thing each; every check has at least one.
var cases = []struct {
	name  string
	spoil func(*doctor.Snapshot)
	check string
	level doctor.Level
}{
	{"an old server", func(s *doctor.Snapshot) { s.Server.Version, s.Server.TooOld = "2.11.9", true; s.Nodes = nil }, "server_version", problem},
	{"monitoring that does not answer", func(s *doctor.Snapshot) { s.NodesErr = "connection refused" }, "monitoring", unknown},
	{"a cluster of two", func(s *doctor.Snapshot) {
		s.Nodes = s.Nodes[:2]
		for i := range s.Nodes {
			s.Nodes[i].MetaSize = 2
		}
	}, "cluster_size", warning},
	{"JetStream off for the account", func(s *doctor.Snapshot) { s.Server.JetStream, s.Account.Answer = doctor.Off, doctor.Off }, "jetstream_on", problem},
	{"JetStream without an answer", func(s *doctor.Snapshot) { s.Server.JetStream, s.Account.Answer = doctor.Silent, doctor.Silent }, "jetstream_on", problem},
	{"a user who may not ask", func(s *doctor.Snapshot) { s.Server.JetStream, s.Account.Answer = doctor.Refused, doctor.Refused }, "jetstream_on", unknown},
	{"NATS's own max_payload", func(s *doctor.Snapshot) { s.Server.MaxPayload = 1 << 20 }, "max_payload", warning},
	{"a tiny max_payload", func(s *doctor.Snapshot) { s.Server.MaxPayload = 64 << 10 }, "max_payload", problem},
	{"a huge max_payload", func(s *doctor.Snapshot) { s.Server.MaxPayload = 64 << 20 }, "max_payload", warning},
	{"a clock that is a bit ahead", func(s *doctor.Snapshot) { s.Server.Skew = 3 * time.Second }, "clock", warning},
	{"a clock that is far behind", func(s *doctor.Snapshot) { s.Server.Skew = -2 * time.Minute }, "clock", problem},
	{"another server's clock", func(s *doctor.Snapshot) { s.Nodes[2].Skew = time.Hour }, "clock", problem},
	{"no clock", func(s *doctor.Snapshot) { s.Server.SkewKnown = false; s.Nodes = nil }, "clock", unknown},
	{"no TLS", func(s *doctor.Snapshot) { s.Server.TLS = false }, "connection_encryption", warning},
	{"no TLS within the machine", func(s *doctor.Snapshot) { s.Server.TLS, s.Server.Loopback = false, true }, "connection_encryption", ok},
	{"nothing known of syncing", func(s *doctor.Snapshot) { s.Nodes = nil; s.File = doctor.ServerFile{} }, "sync_interval", unknown},
	{"one server that syncs late", func(s *doctor.Snapshot) { s.Nodes[1].SyncAlways = false }, "sync_interval", warning},
	{"a file that syncs late", func(s *doctor.Snapshot) { s.Nodes = nil; s.File.SyncAlways = false }, "sync_interval", warning},
	{"nothing known of encryption", func(s *doctor.Snapshot) { s.File = doctor.ServerFile{} }, "storage_encryption", unknown},
	{"a file that can't be read", func(s *doctor.Snapshot) { s.File.Err = "no such file" }, "storage_encryption", unknown},
	{"storage in the clear", func(s *doctor.Snapshot) { s.File.Encrypted = false }, "storage_encryption", warning},
	{"an old server in the cluster", func(s *doctor.Snapshot) { s.Nodes[2].Version, s.Nodes[2].TooOld = "2.10.1", true }, "node_version", problem},
	{"another version in the cluster", func(s *doctor.Snapshot) { s.Nodes[2].Version = "2.13.0" }, "node_version", warning},
	{"a disk that fills up", func(s *doctor.Snapshot) { s.Nodes[0].Store = 900 << 30 }, "node_disk", warning},
	{"a full disk", func(s *doctor.Snapshot) { s.Nodes[0].Store = 1 << 40 }, "node_disk", problem},
	{"routes in the clear", func(s *doctor.Snapshot) { s.Nodes[0].ClusterTLS = false }, "node_routes", warning},
	{"slow clients", func(s *doctor.Snapshot) { s.Nodes[0].SlowClients = 2 }, "node_slow_clients", warning},
	{"an account that fills up", func(s *doctor.Snapshot) { s.Account.Tiers[0].Store = 420 << 30 }, "account_storage", warning},
	{"a full account", func(s *doctor.Snapshot) { s.Account.Tiers[0].Store = 499 << 30 }, "account_storage", problem},
	{"no limit of the account", func(s *doctor.Snapshot) { s.Account.Tiers[0].MaxStore = -1 }, "account_storage", ok},
	{"no room for drains", func(s *doctor.Snapshot) { s.Account.Tiers[0].MaxConsumers = 20 }, "account_consumers", warning},

	{"a stream that is missing", stream(func(s *doctor.Stream) { s.Answer = doctor.Missing }), "stream_exists", problem},
	{"no audit trail", stream(func(s *doctor.Stream) { s.Answer, s.Role = doctor.Missing, doctor.Audit }), "stream_exists", warning},
	{"a stream that may not be asked for", stream(func(s *doctor.Stream) { s.Answer = doctor.Refused }), "stream_exists", unknown},
	{"a stream that does not answer", stream(func(s *doctor.Stream) { s.Answer = doctor.Silent }), "stream_exists", problem},
	{"one replica on a cluster", stream(func(s *doctor.Stream) { s.Replicas = 1 }), "stream_replicas", problem},
	{"two replicas", stream(func(s *doctor.Stream) { s.Replicas = 2 }), "stream_replicas", warning},
	{"no leader", stream(func(s *doctor.Stream) { s.Leader = "" }), "stream_leader", problem},
	{"a replica that is offline", peer(doctor.Peer{Name: "n3", Offline: true, Current: true}), "stream_peers", warning},
	{"a replica that is not current", peer(doctor.Peer{Name: "n3"}), "stream_peers", warning},
	{"a replica far behind", peer(doctor.Peer{Name: "n3", Current: true, Lag: 5000}), "stream_peers", warning},
	{"memory storage", stream(func(s *doctor.Stream) { s.Memory = true }), "stream_storage", problem},
	{"no acks of publishes", stream(func(s *doctor.Stream) { s.NoAck = true }), "stream_writes", problem},
	{"asynchronous writes", stream(func(s *doctor.Stream) { s.AsyncWrites = true }), "stream_writes", problem},
	{"limits on a work queue", stream(func(s *doctor.Stream) { s.WorkQueue, s.Limits = false, true }), "stream_retention", problem},
	{"a work queue of dead letters", func(s *doctor.Snapshot) { s.Streams[3].Limits = false }, "stream_retention", problem},
	{"discard old", stream(func(s *doctor.Stream) { s.DiscardOld = true }), "stream_discard", problem},
	{"a work queue that forgets", stream(func(s *doctor.Stream) { s.MaxAge = time.Hour }), "stream_max_age", problem},
	{"dead letters that are kept", func(s *doctor.Snapshot) { s.Streams[3].MaxAge = 0 }, "stream_max_age", ok},
	{"no quota", stream(func(s *doctor.Stream) { s.MaxPerSubject = -1 }), "stream_per_subject", warning},
	{"two wake-ups a destination", func(s *doctor.Snapshot) { s.Streams[2].MaxPerSubject = 2 }, "stream_per_subject", problem},
	{"wake-ups with a limit", func(s *doctor.Snapshot) { s.Streams[2].MaxMsgs = 1000 }, "stream_limits", problem},
	{"small messages alone", stream(func(s *doctor.Stream) { s.MaxMsgSize = 1 << 20 }), "stream_limits", warning},
	{"few drains", func(s *doctor.Snapshot) { s.Streams[1].MaxConsumers = 10 }, "stream_limits", warning},
	{"a short memory of ids", stream(func(s *doctor.Stream) { s.Duplicates = time.Second }), "stream_duplicates", warning},
	{"another subject", stream(func(s *doctor.Stream) { s.Takes = []string{"other.*"} }), "stream_subjects", problem},
	{"rollups", stream(func(s *doctor.Stream) { s.Rollup = true }), "stream_headers", warning},
	{"a time to live by message", stream(func(s *doctor.Stream) { s.MsgTTL = true }), "stream_headers", warning},
	{"a sealed stream", stream(func(s *doctor.Stream) { s.Sealed = true }), "stream_sealed", problem},
	{"wake-ups that can't be deleted", func(s *doctor.Snapshot) { s.Streams[2].DenyDelete = true }, "stream_sealed", problem},
	{"a stream that fills up", stream(func(s *doctor.Stream) { s.Bytes = 81 << 30 }), "stream_fill", warning},
	{"a full stream", stream(func(s *doctor.Stream) { s.Bytes = 99 << 30 }), "stream_fill", problem},
	{"an audit trail that is full, and forgets its oldest", stream(func(s *doctor.Stream) {
		s.Role, s.WorkQueue, s.Limits, s.DiscardOld, s.Bytes = doctor.Audit, false, true, true, 99<<30
	}), "stream_fill", ok},
	{"a stream full by number", stream(func(s *doctor.Stream) { s.MaxMsgs = 1201 }), "stream_fill", problem},
	{"a full shard that is closed", stream(func(s *doctor.Stream) { s.Bytes, s.MaxBytes, s.Closed, s.Takes = 5, 1, true, nil }), "stream_fill", ok},
	{"a compressed stream", stream(func(s *doctor.Stream) { s.Compression = "S2" }), "stream_compression", ok},

	{"a consumer that is missing", consumer(func(c *doctor.Consumer) { c.Answer = doctor.Missing }), "consumer_exists", problem},
	{"acks of all", consumer(func(c *doctor.Consumer) { c.AckExplicit = false }), "consumer_kind", problem},
	{"a push consumer", consumer(func(c *doctor.Consumer) { c.Push = true }), "consumer_kind", problem},
	{"new messages alone", consumer(func(c *doctor.Consumer) { c.DeliverAll = false }), "consumer_kind", problem},
	{"headers alone", consumer(func(c *doctor.Consumer) { c.HeadersOnly = true }), "consumer_kind", problem},
	{"a backoff list", consumer(func(c *doctor.Consumer) { c.BackOff = 3 }), "consumer_kind", problem},
	{"no priorities", consumer(func(c *doctor.Consumer) { c.Prioritized = false }), "consumer_priority", problem},
	{"a filter", consumer(func(c *doctor.Consumer) { c.Filter = []string{"hogcast.generations.acme"} }), "consumer_filter", problem},
	{"a short ack_wait", consumer(func(c *doctor.Consumer) { c.AckWait = 30 * time.Second }), "consumer_ack_wait", problem},
	{"a long stay", func(s *doctor.Snapshot) { s.Worker.MainLaneMax = 2 * time.Minute }, "consumer_ack_wait", problem},
	{"wake-ups that come back soon", func(s *doctor.Snapshot) { s.Consumers[1].AckWait = time.Second }, "consumer_ack_wait", warning},
	{"few in hand", consumer(func(c *doctor.Consumer) { c.MaxAckPending = 1000 }), "consumer_max_ack_pending", problem},
	{"less in hand than the windows take", consumer(func(c *doctor.Consumer) { c.MaxAckPending = 10_000 }), "consumer_max_ack_pending", warning},
	{"any number in hand", consumer(func(c *doctor.Consumer) { c.MaxAckPending = -1 }), "consumer_max_ack_pending", ok},
	{"wake-ups with a limit in hand", func(s *doctor.Snapshot) { s.Consumers[1].MaxAckPending = 1000 }, "consumer_max_ack_pending", problem},
	{"many workers", func(s *doctor.Snapshot) { s.Fleet.Workers, s.Fleet.Versions = 30, nil }, "consumer_max_ack_pending", problem},
	{"a limit of deliveries", consumer(func(c *doctor.Consumer) { c.MaxDeliver = 5 }), "consumer_max_deliver", problem},
	{"small pulls alone", consumer(func(c *doctor.Consumer) { c.MaxBatch = 10 }), "consumer_pulls", problem},
	{"short pulls alone", consumer(func(c *doctor.Consumer) { c.MaxExpires = time.Second }), "consumer_pulls", problem},
	{"light pulls alone", consumer(func(c *doctor.Consumer) { c.MaxPullBytes = 1 << 20 }), "consumer_pulls", problem},
	{"few pulls", consumer(func(c *doctor.Consumer) { c.MaxWaiting = 2 }), "consumer_pulls", problem},
	{"a consumer that is deleted when idle", consumer(func(c *doctor.Consumer) { c.Inactive = time.Hour }), "consumer_storage", problem},
	{"a consumer in memory", consumer(func(c *doctor.Consumer) { c.Memory = true }), "consumer_storage", warning},
	{"a consumer on one server", consumer(func(c *doctor.Consumer) { c.Replicas = 1 }), "consumer_storage", warning},
	{"a paused consumer", consumer(func(c *doctor.Consumer) { c.Paused, c.PausedFor, c.Moved = true, time.Hour, false }), "consumer_paused", problem},
	{"a consumer at its cap", consumer(func(c *doctor.Consumer) { c.InHand, c.Moved = 50_000, false }), "consumer_at_cap", problem},
	{"a stuck consumer", consumer(func(c *doctor.Consumer) { c.Moved, c.Quiet = false, time.Minute }), "consumer_stuck", problem},
	{"a consumer that was at work just now", consumer(func(c *doctor.Consumer) { c.Moved, c.Quiet = false, time.Second }), "consumer_stuck", ok},
	{"a consumer that was not watched", consumer(func(c *doctor.Consumer) { c.Moved, c.Watched = false, 0 }), "consumer_stuck", ok},
	{"an idle consumer", consumer(func(c *doctor.Consumer) { c.Moved, c.Pending = false, 0 }), "consumer_stuck", ok},
	{"what waits at a consumer", func(*doctor.Snapshot) {}, "consumer_waiting", ok},

	{"a bucket that is missing", bucket(func(b *doctor.Bucket) { b.Answer = doctor.Missing }), "bucket_exists", problem},
	{"a bucket on one server", bucket(func(b *doctor.Bucket) { b.Replicas = 1 }), "bucket_replicas", problem},
	{"a bucket without leader", bucket(func(b *doctor.Bucket) { b.Leader = "" }), "bucket_leader", problem},
	{"a bucket's replica that is gone", bucket(func(b *doctor.Bucket) { b.Peers = []doctor.Peer{{Name: "n3", Offline: true}} }), "bucket_peers", warning},
	{"a bucket in memory", bucket(func(b *doctor.Bucket) { b.Memory = true }), "bucket_storage", problem},
	{"little history", bucket(func(b *doctor.Bucket) { b.History = 1 }), "bucket_history", warning},
	{"a bucket that forgets", bucket(func(b *doctor.Bucket) { b.TTL = time.Hour }), "bucket_ttl", problem},
	{"workers that never go", func(s *doctor.Snapshot) { s.Buckets[1].TTL = 0 }, "bucket_ttl", problem},
	{"keys", func(*doctor.Snapshot) {}, "bucket_keys", ok},

	{"no worker while records wait", func(s *doctor.Snapshot) { s.Fleet.Workers, s.Fleet.Versions = 0, nil }, "workers_alive", problem},
	{"no worker, and nothing to do", func(s *doctor.Snapshot) {
		s.Fleet.Workers = 0
		for i := range s.Streams {
			s.Streams[i].Messages = 0
		}
	}, "workers_alive", warning},
	{"a fleet that may not be asked", func(s *doctor.Snapshot) { s.Fleet = doctor.FleetFacts{Answer: doctor.Silent} }, "workers_alive", unknown},
	{"two versions", func(s *doctor.Snapshot) { s.Fleet.Versions["1.3.0"] = 1 }, "worker_versions", warning},
	{"destinations that are down", func(s *doctor.Snapshot) {
		s.Fleet.States = map[string]int{"open": 2, "held": 3}
		s.Fleet.Reasons = map[string]int{"unauthorized": 3, "timeout": 2}
	}, "destinations_blocked", warning},
	{"a host that is down", func(s *doctor.Snapshot) { s.Fleet.Hosts = 1 }, "hosts_down", warning},
	{"a guard that is on", func(s *doctor.Snapshot) { s.Fleet.Guards = 1 }, "guards_on", warning},
	{"held work that nobody wakes", func(s *doctor.Snapshot) { s.Fleet.Asleep = 3 }, "held_asleep", warning},
	{"dead letters", func(*doctor.Snapshot) {}, "dead_letters", ok},

	{"what a worker refuses", func(s *doctor.Snapshot) { s.Worker.Err = "destinations: missing" }, "worker_settings", problem},
	{"no time for a second request", func(s *doctor.Snapshot) { s.Worker.RequestTimeout = 14 * time.Second }, "worker_settings", warning},
	{"a small window", func(s *doctor.Snapshot) { s.Worker.Window = 1 << 20 }, "worker_window", problem},
	{"a short drain", func(s *doctor.Snapshot) { s.Worker.DrainTimeout = time.Second }, "worker_drain", warning},
	{"bad destinations", func(s *doctor.Snapshot) { s.Worker.BadDestinations = 1 }, "worker_destinations", problem},
	{"no destinations", func(s *doctor.Snapshot) { s.Worker.Destinations = 0 }, "worker_destinations", warning},
	{"destinations on another machine", func(s *doctor.Snapshot) { s.Worker.DestinationsErr = "no such file" }, "worker_destinations", unknown},
	{"no master keys", func(s *doctor.Snapshot) { s.Worker.KeyRing, s.Worker.FromFile = "", false }, "worker_keys", problem},
	{"master keys that the environment may hold", func(s *doctor.Snapshot) {
		s.Worker.KeyRing, s.Worker.FromFile, s.Worker.KeysTold = "", false, false
	}, "worker_keys", unknown},
	{"secrets in plain", func(s *doctor.Snapshot) {
		s.Worker.KeyRing, s.Worker.FromFile, s.Worker.PlainSecrets = "", false, true
	}, "worker_keys", warning},
	{"defaults that are off", func(s *doctor.Snapshot) { s.Worker.DefaultsOn = false }, "worker_destinations", warning},
	{"defaults that there are none of", func(s *doctor.Snapshot) { s.Worker.Defaults = 0 }, "worker_destinations", warning},
	{"no master keys, and no need of any", func(s *doctor.Snapshot) { s.Worker.KeyRing = "" }, "worker_keys", ok},
}

func stream(spoil func(*doctor.Stream)) func(*doctor.Snapshot) {
	return func(s *doctor.Snapshot) { spoil(&s.Streams[0]) }
}

func peer(p doctor.Peer) func(*doctor.Snapshot) {
	return stream(func(s *doctor.Stream) { s.Peers = []doctor.Peer{p} })
}

func consumer(spoil func(*doctor.Consumer)) func(*doctor.Snapshot) {
	return func(s *doctor.Snapshot) { spoil(&s.Consumers[0]) }
}

func bucket(spoil func(*doctor.Bucket)) func(*doctor.Snapshot) {
	return func(s *doctor.Snapshot) { spoil(&s.Buckets[0]) }
}

func TestEachThingThatIsBrokenIsFoundAndNothingElse(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for _, c := range cases {
		tried[c.check] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			c.spoil(&s)
			var found bool
			for _, f := range doctor.Examine(s) {
				switch {
				case f.Check == c.check && f.Level == c.level:
					found = true
				case f.Check != c.check && f.Level != ok && !follows(c.check, f.Check):
					t.Errorf("this was found beside: %+v", f)
				}
				if f.Level != ok && (f.What == "" || f.Why == "" || f.Mend == "") {
					t.Errorf("what, why and mend are wanted: %+v", f)
				}
			}
			if !found {
				t.Errorf("%s is not %s: %+v", c.check, c.level, doctor.Examine(s))
			}
		})
	}
	for _, name := range doctor.Checks() {
		if !tried[name] {
			t.Errorf("nothing breaks %s", name)
		}
	}
}

// follows reports whether one fault rightly shows in another check.
func follows(from, also string) bool {
	return slices.Contains([]string{
		"max_payload worker_window", "max_payload stream_limits", "consumer_paused consumer_stuck",
		"stream_exists stream_fill", "workers_alive consumer_max_ack_pending", "consumer_max_ack_pending consumer_pulls",
		"consumer_ack_wait worker_settings", "stream_limits stream_fill", "sync_interval storage_encryption",
	}, from+" "+also)
}

// A JetStream that does not answer is told of once, and nothing that was not
// asked counts as well.
func TestWhatCouldNotBeAskedIsNotWell(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.Server.JetStream, s.Account.Answer, s.Fleet.Answer, s.Streams, s.Consumers, s.Buckets = doctor.Silent, doctor.Silent, doctor.Silent, nil, nil, nil
	for _, f := range doctor.Examine(s) {
		if f.Check == "dead_letters" {
			t.Errorf("%+v", f)
		}
		if f.Check == "workers_alive" && (f.Level != unknown || strings.Contains(f.Mend, "allow")) {
			t.Errorf("%+v", f)
		}
	}
}

// A publisher is refused for want of a stream alone.
func TestWhatIsMissingSaysWhatThatMeans(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.Streams[0].Answer, s.Consumers[1].Answer, s.Buckets[0].Answer = doctor.Missing, doctor.Missing, doctor.Missing
	for _, f := range doctor.Examine(s) {
		if f.Level == problem && strings.Contains(f.Why, "publishers are refused") != (f.Check == "stream_exists") {
			t.Errorf("%+v", f)
		}
	}
}

// The nats command takes an --inactive-threshold of 0 for one that is not given.
func TestAConsumerThatIsDeletedWhenIdleIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.Consumers[1].Inactive = time.Hour
	for _, f := range doctor.Examine(s) {
		if f.Check == "consumer_storage" && f.Level == problem && (strings.Contains(f.Mend, "edit") || !strings.Contains(f.Mend, "nats consumer rm HOGCAST_WAKEUPS wakeups")) {
			t.Errorf("mend: %s", f.Mend)
		}
	}
}

func TestEveryCheckHasItsOwnNameAndIsDocumented(t *testing.T) {
	t.Parallel()
	names := doctor.Checks()
	page, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			t.Errorf("two checks are called %s", name)
		}
		if !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("docs/doctor.md has no row for %s", name)
		}
	}
}

func TestWhatIsAcceptedCountsAsWell(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.File.Encrypted, s.Streams[0].Replicas = false, 1
	all := doctor.Examine(s)
	if strange := doctor.Accept(all, []string{"stream_replicas", "nonsense"}); !slices.Equal(strange, []string{"nonsense"}) {
		t.Errorf("strange: %q", strange)
	}
	if got := doctor.Worst(all); got != warning {
		t.Errorf("worst is %s, want the other warning", got)
	}
	doctor.Accept(all, []string{"stream_replicas", "storage_encryption"})
	if got := doctor.Worst(all); got != ok {
		t.Errorf("worst is %s", got)
	}
}

// sick is a cluster with something wrong of every level.
func sick() []doctor.Finding {
	s := healthy()
	s.Streams[1].Replicas = 1
	s.Nodes, s.File.Encrypted = nil, false
	s.File.Path = "nats.conf"
	s.Server.JetStream = doctor.Refused
	s.Consumers[0].Paused, s.Consumers[0].PausedFor = true, time.Hour
	s.Fleet.States, s.Fleet.Reasons = map[string]int{"held": 3}, map[string]int{"unauthorized": 2, "owner_paused": 1}
	all := doctor.Examine(s)
	doctor.Accept(all, []string{"storage_encryption"})
	return all
}

func TestTheReportIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	r := doctor.Report{Server: "nats://n1:4222", Findings: sick()}
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/report.golden", r.Text(false))
	golden.Check(t, "testdata/report.golden.json", data)
	if !strings.Contains(r.Text(true), "\x1b[1;31mproblem  \x1b[0m") {
		t.Error("no colour on a terminal")
	}
	var back struct {
		Worst  doctor.Level
		Counts map[doctor.Level]int
	}
	if err := json.Unmarshal([]byte(data), &back); err != nil || back.Worst != problem || back.Counts[problem] != 2 {
		t.Errorf("%v, %+v", err, back)
	}
}

func TestAReportWithoutFaultSaysSo(t *testing.T) {
	t.Parallel()
	all := doctor.Examine(healthy())
	text := doctor.Report{Findings: all}.Text(false)
	if want := fmt.Sprintf("all %d checks passed\n", len(all)); !strings.HasSuffix(text, want) {
		t.Errorf("got %q", text)
	}
}
