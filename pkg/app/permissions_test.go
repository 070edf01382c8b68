package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/doctor"
	"github.com/hogcast/hogcast/pkg/ingest"
	"github.com/hogcast/hogcast/pkg/purge"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/replay"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/pkg/scrub"
)

// The example's passwords come from the environment.
func init() {
	for _, role := range []string{"SETUP", "WORKER", "OPERATOR", "DOCTOR", "GATEWAY", "ACME", "SYS"} {
		_ = os.Setenv("NATS_"+role+"_PASSWORD", "of-"+role)
	}
}

var passwords = map[string]string{
	"setup": "of-SETUP", "worker": "of-WORKER", "operator": "of-OPERATOR", "doctor": "of-DOCTOR",
	"gateway": "of-GATEWAY", "gateway-acme": "of-ACME", "sys-doctor": "of-SYS",
}

// guarded is a NATS with the example's accounts and permissions.
type guarded struct {
	server *server.Server
	logs   map[string]*observer.ObservedLogs // by user
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	return guardedBy(t, "../../deployments/nats/accounts.conf")
}

// mapped is the same with the mapping to four shards, which is a comment there.
func mapped(t *testing.T) *guarded {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"nats.conf", "accounts.conf"} {
		text, err := os.ReadFile("../../deployments/nats/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("# mappings {"), []byte("mappings {"))
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return guardedBy(t, filepath.Join(folder, "accounts.conf"))
}

func guardedBy(t *testing.T, file string) *guarded {
	t.Helper()
	options, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port, options.HTTPPort, options.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir()
	options.SyncAlways = false // as in other tests: it costs a sync a message
	options.NoSigs, options.NoLog = true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	return &guarded{s, make(map[string]*observer.ObservedLogs)}
}

// as is how a user connects.
func (g *guarded) as(user string) queue.ConnectConfig {
	core, logs := observer.New(zap.InfoLevel)
	g.logs[user] = logs
	c := queue.ConnectConfig{
		URLs: []string{g.server.ClientURL()}, User: user, Password: passwords[user], Inbox: "_INBOX_" + user, Logger: zap.New(core),
	}
	if user == "sys-doctor" {
		c.Inbox = "" // of an account that nobody else has a user in
	}
	return c
}

func (g *guarded) connect(t *testing.T, user string) *queue.Conn {
	t.Helper()
	conn, err := queue.Connect(t.Context(), g.as(user))
	if err != nil {
		t.Fatalf("%s: %v", user, err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// refused fails where a user was refused anything.
func (g *guarded) refused(t *testing.T) {
	t.Helper()
	for user, logs := range g.logs {
		for _, e := range logs.All() {
			if text := fmt.Sprint(e.Message, e.ContextMap()); strings.Contains(strings.ToLower(text), "permission") {
				t.Errorf("%s was refused: %s", user, text)
			}
		}
	}
}

func (g *guarded) publisher(t *testing.T, conn *queue.Conn, tenant string) *ingest.Publisher {
	t.Helper()
	p, err := ingest.New(ingest.Options{Conn: conn.NATS, Tenant: tenant, SkipValidation: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.WithoutCancel(t.Context())) })
	return p
}

func record(tenant, id string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"tenant":%q,"created_at":"2026-01-02T03:04:05Z","model":"m","messages":[{"role":"user","content":"hi"}]}`, id, tenant)
}

func TestTheUsersOfTheExampleDoAllOfTheirWork(t *testing.T) {
	t.Parallel()
	t.Run("one stream", func(t *testing.T) {
		t.Parallel()
		newGuarded(t).work(t, 1)
	})
	t.Run("four shards", func(t *testing.T) {
		t.Parallel()
		mapped(t).work(t, 4)
	})
}

func (g *guarded) work(t *testing.T, shards int) {
	t.Helper()
	posthog := sandbox.New(sandbox.Config{Strict: true})
	if err := posthog.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = posthog.Close() })

	setUp := g.connect(t, "setup")
	params := queue.DefaultParams()
	for _, n := range []int{shards + 1, shards, shards} { // a shard is closed, and removed
		params.Shards, params.RemoveDrained = n, true
		if _, err := queue.Setup(t.Context(), setUp, params); err != nil {
			t.Fatal(err)
		}
	}
	operator := g.connect(t, "operator")
	store, err := registry.OpenStore(t.Context(), registry.StoreParams{Conn: operator, AllowPlain: true})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{"acme": "phc_acme0000000000", "beta": "phc_beta0000000000"}
	saved := map[string]*registry.Stored{}
	for tenant, key := range keys {
		saved[tenant] = put(t, store, 0, &destination.Destination{
			ID: destination.ID{Tenant: tenant, Name: "main"}, Enabled: true, Endpoint: posthog.URL(),
			APIKey: destination.NewSecret(key), Protocol: destination.Auto, SamplingRate: 1,
		})
	}
	stop := g.worker(t)

	acme := g.publisher(t, g.connect(t, "gateway-acme"), "acme")
	beta := g.publisher(t, g.connect(t, "gateway"), "beta")
	publish := func(p *ingest.Publisher, tenant string, from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := p.Publish(t.Context(), record(tenant, fmt.Sprint("g", i))); err != nil {
				t.Fatalf("%s: %v", tenant, err)
			}
		}
	}
	publish(acme, "acme", 0, 20)
	publish(beta, "beta", 0, 20)
	eventually(t, "what was published", func() bool { return posthog.Count() == 40 })
	g.spread(t, shards)

	count := func(stream string) uint64 {
		n, err := queue.Waiting(t.Context(), operator, stream)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// Dead; held, while the other tenant goes on; scrubbed.
	of := sandbox.Match{APIKey: keys["acme"]}
	posthog.Always(of, sandbox.Drop("ai_event_too_big"))
	publish(acme, "acme", 20, 25)
	eventually(t, "dead letters", func() bool { return count(queue.StreamDead) == 5 })
	posthog.Always(of, sandbox.Status(503))
	publish(acme, "acme", 25, 65)
	publish(beta, "beta", 20, 30)
	eventually(t, "what is held", func() bool { return count(queue.StreamHeld) == 40 })
	stricter := *saved["acme"].Destination
	stricter.PrivacyMode = true
	put(t, store, saved["acme"].Revision, &stricter)
	eventually(t, "the scrub", func() bool { return scrubbed(t, operator, "acme.main") == 45 })

	// Drained, and replayed: by one who reads, writes jobs, holds again, deletes.
	posthog.Clear(of)
	eventually(t, "what was held", func() bool { return posthog.Count() == 90 && count(queue.StreamHeld) == 0 })
	g.operate(t, operator)
	eventually(t, "what was replayed", func() bool { return posthog.Count() == 95 && count(queue.StreamDead) == 0 })

	// A record in another tenant's name goes to nobody.
	before := posthog.Count()
	raw := g.connect(t, "gateway-acme")
	if err := raw.Publish(t.Context(), queue.Message{Subject: queue.GenerationSubject("acme"), ID: "x", Body: record("beta", "forged")}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the letter of the forged record", func() bool { return count(queue.StreamDead) == 1 })
	err = deadletter.NewReader(operator).Each(t.Context(), deadletter.Filter{Tenant: "acme"}, false, func(l *deadletter.Stored) error {
		if l.Reason != "malformed" || l.Envelope.Field != "tenant" {
			t.Errorf("got %+v", l)
		}
		return nil
	})
	if err != nil || posthog.Count() != before {
		t.Errorf("%v; %d events of a forged record", err, posthog.Count()-before)
	}

	g.examine(t)
	stop()
	g.refused(t)
}

// spread fails unless the records have gone to as many streams as there are.
func (g *guarded) spread(t *testing.T, shards int) {
	t.Helper()
	admin := g.connect(t, "operator")
	s, err := admin.JS.Stream(t.Context(), queue.StreamGenerations)
	if err != nil {
		t.Fatal(err)
	}
	if plain := s.CachedInfo().State.LastSeq; (plain > 0) != (shards == 1) {
		t.Errorf("%d records have gone to the stream that is no shard", plain)
	}
}

// worker runs a worker until stop is called.
func (g *guarded) worker(t *testing.T) (stop func()) {
	t.Helper()
	c := app.WorkerConfig{NATS: g.as("worker"), EgressAllow: loopback, Secrets: app.Secrets{AllowPlain: true}}
	c.Logger = c.NATS.Logger
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.RunWorker(ctx, c) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("worker: %v", err)
		}
	}
}

func put(t *testing.T, store *registry.Store, over uint64, d *destination.Destination) *registry.Stored {
	t.Helper()
	saved, err := store.Put(t.Context(), registry.Put{Destination: d, Expect: over, By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

// scrubbed is how many messages a destination's scrub has rewritten, once it is
// done.
func scrubbed(t *testing.T, conn *queue.Conn, key string) uint64 {
	t.Helper()
	bucket, err := conn.Bucket(t.Context(), queue.BucketJobs)
	if err != nil {
		t.Fatal(err)
	}
	e, err := bucket.Get(t.Context(), "scrub."+key)
	if err != nil || e.Deleted {
		return 0
	}
	var job scrub.Job
	if err := json.Unmarshal(e.Value, &job); err != nil {
		t.Fatal(err)
	}
	if job.State != scrub.Done {
		return 0
	}
	return job.Rewritten
}

// operate does what operators do.
func (g *guarded) operate(t *testing.T, conn *queue.Conn) {
	t.Helper()
	var out bytes.Buffer
	reader := deadletter.NewReader(conn)
	if err := admin.ListDead(t.Context(), reader, admin.ListDeadParams{By: "cause", Out: &out}); err != nil {
		t.Fatal(err)
	}
	if err := admin.Health(t.Context(), conn, admin.HealthParams{Now: time.Now(), Out: &out}); err != nil {
		t.Fatal(err)
	}
	bucket, err := conn.Bucket(t.Context(), queue.BucketJobs)
	if err != nil {
		t.Fatal(err)
	}
	jobs := replay.NewJobs(bucket, 0)
	job, err := replay.NewRunner(replay.Params{
		Letters: reader, Held: conn, Jobs: jobs, Name: "test", MaxPayload: int(conn.NATS.MaxPayload()),
	}).Start(t.Context(), replay.Spec{Filter: deadletter.Filter{Tenant: "acme"}})
	if err != nil || job.State != replay.Done {
		t.Fatalf("replay: %v, %+v", err, job)
	}
	if all, err := jobs.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("jobs: %v, %d", err, len(all))
	}
	states, err := conn.Bucket(t.Context(), queue.BucketState)
	if err == nil {
		err = states.Set(t.Context(), "gone.main", []byte(`{"state":"held","reason":"guard","detail":"c"}`))
	}
	if err == nil {
		err = admin.ReleaseGuard(t.Context(), conn, admin.ReleaseGuardParams{Tenant: "gone", Destination: "main", Now: time.Now(), Out: &out})
	}
	if err == nil {
		err = states.Delete(t.Context(), "gone.main", 0)
	}
	if err != nil {
		t.Errorf("states: %v", err)
	}
	g.erase(t, conn)
}

// erase purges a tenant, and a user of one.
func (g *guarded) erase(t *testing.T, conn *queue.Conn) {
	t.Helper()
	for _, user := range []string{"", "u1"} {
		p, err := purge.New(purge.Params{Conn: conn, Tenant: "gone", User: user})
		if err == nil {
			_, err = p.Erase(t.Context())
		}
		if err != nil {
			t.Errorf("purging the user %q of a tenant, \"\" is all of it: %v", user, err)
		}
	}
}

// examine looks as the doctor, and as a user of the system account.
func (g *guarded) examine(t *testing.T) {
	t.Helper()
	var out bytes.Buffer
	sys := g.as("sys-doctor")
	worst, err := admin.Doctor(t.Context(), g.connect(t, "doctor"), admin.DoctorParams{Worker: app.DefaultWorker(), System: &sys, Out: &out})
	if err != nil || worst == doctor.Problem {
		t.Errorf("%v, %s:\n%s", err, worst, out.String())
	}
	for line := range strings.SplitSeq(out.String(), "\n") {
		if strings.Contains(line, "  unknown  ") && !strings.Contains(line, "storage_encryption") {
			t.Errorf("the doctor's permissions do not do: %s", line)
		}
	}
	if err := admin.Health(t.Context(), g.connect(t, "doctor"), admin.HealthParams{Now: time.Now(), Out: &out}); err != nil {
		t.Errorf("health: %v", err)
	}
}

func TestTheDoctorSaysSoonWhatItMayNotAsk(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	setUp := g.connect(t, "setup")
	if _, err := queue.Setup(t.Context(), setUp, queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	for user, asks := range map[string]string{"setup": "how many workers live", "gateway-acme": "may not ask about JetStream"} {
		began := time.Now()
		var out bytes.Buffer
		if _, err := admin.Doctor(t.Context(), g.connect(t, user), admin.DoctorParams{Worker: app.DefaultWorker(), Out: &out}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("%s: took %s", user, took)
		}
		if !strings.Contains(out.String(), asks) {
			t.Errorf("%s: got\n%s", user, out.String())
		}
	}
}

// verbs that nobody's daily work needs.
var destructive = []string{
	"$JS.API.STREAM.DELETE.HOGCAST_GENERATIONS", "$JS.API.STREAM.UPDATE.HOGCAST_GENERATIONS", "$JS.API.STREAM.CREATE.NEW",
	"$JS.API.CONSUMER.DELETE.HOGCAST_GENERATIONS.workers", "$JS.API.CONSUMER.DELETE.HOGCAST_WAKEUPS.wakeups",
	"$JS.API.CONSUMER.CREATE.HOGCAST_GENERATIONS.workers", "$JS.API.CONSUMER.CREATE.HOGCAST_GENERATIONS.workers.hogcast.generations.x",
	"$JS.API.CONSUMER.DURABLE.CREATE.HOGCAST_GENERATIONS.workers", "$JS.API.CONSUMER.PAUSE.HOGCAST_GENERATIONS.workers",
	"$JS.API.STREAM.SNAPSHOT.HOGCAST_GENERATIONS", "$JS.API.STREAM.RESTORE.HOGCAST_GENERATIONS",
	"$JS.API.STREAM.LEADER.STEPDOWN.HOGCAST_GENERATIONS", "$JS.API.STREAM.PEER.REMOVE.HOGCAST_GENERATIONS",
	"$JS.API.STREAM.PURGE.HOGCAST_AUDIT", "$JS.API.STREAM.MSG.DELETE.HOGCAST_AUDIT",
	"$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ",
}

// reads are ways to records and secrets.
var reads = []string{
	"$JS.API.STREAM.MSG.GET.HOGCAST_GENERATIONS", "$JS.API.DIRECT.GET.HOGCAST_GENERATIONS", "$JS.API.DIRECT.GET.HOGCAST_GENERATIONS.hogcast.generations.beta",
	"$JS.API.CONSUMER.CREATE.HOGCAST_GENERATIONS.spy", "$JS.API.CONSUMER.CREATE.HOGCAST_DEAD.spy.hogcast.dead.beta.>", "$JS.API.CONSUMER.CREATE.HOGCAST_HELD.spy",
	"$JS.API.DIRECT.GET.KV_hogcast_destinations.$KV.hogcast_destinations.beta.main", "$JS.API.CONSUMER.CREATE.KV_hogcast_destinations.spy",
}

func TestEachUserOfTheExampleIsRefusedWhatItIsNotFor(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	others := func(user string) []string {
		all := []string{">", "hogcast.>", "hogcast.generations.*", "$JS.>", "$KV.>", "_INBOX.>", "*.>", "_INBOX_worker2.x"}
		for name := range passwords {
			if name != user {
				all = append(all, "_INBOX_"+name+".>")
			}
		}
		return all
	}
	publishing := []string{"hogcast.generations.acme", "hogcast.generations.0.acme", "hogcast.generations.beta"}
	for user, not := range map[string][]string{
		"gateway-acme": slices.Concat(destructive, reads, []string{
			"hogcast.generations.beta", "hogcast.generations.0.beta", "hogcast.generations.acme.beta", "hogcast.generations.acme.x.y", "hogcast.generations.0._.closed",
			"hogcast.held.acme.main", "hogcast.wakeups.acme.main", "hogcast.dead.acme.main.dropped", "hogcast.audit.acme.main",
			"$KV.hogcast_destinations.acme.main", "$KV.hogcast_state.acme.main", "$JS.API.INFO", "$JS.API.STREAM.INFO.HOGCAST_GENERATIONS", "$JS.API.STREAM.LIST",
			"$JS.API.CONSUMER.MSG.NEXT.HOGCAST_GENERATIONS.workers", "$JS.ACK.HOGCAST_GENERATIONS.workers.1.1.1.1.0", "_INBOX_worker.x", "_INBOX_gateway-acme.x",
		}),
		"gateway": slices.Concat(destructive, reads, []string{"hogcast.held.acme.main", "$KV.hogcast_destinations.acme.main", "$JS.API.INFO", "$JS.ACK.x", "hogcast.generations.0._.closed"}),
		"worker": slices.Concat(destructive, publishing, reads[:4], []string{
			"$JS.API.STREAM.PURGE.HOGCAST_HELD", "$JS.API.STREAM.MSG.DELETE.HOGCAST_GENERATIONS", "$KV.hogcast_destinations.acme.main", "$KV.hogcast_jobs.x", "hogcast.audit.acme.main",
		}),
		"operator": slices.Concat(destructive, publishing, []string{"$KV.hogcast_workers.x", "$JS.API.CONSUMER.MSG.NEXT.HOGCAST_GENERATIONS.workers"}),
		"doctor": slices.Concat(destructive, publishing, reads, []string{
			"$JS.API.STREAM.PURGE.HOGCAST_DEAD", "$JS.API.STREAM.MSG.DELETE.HOGCAST_DEAD", "$KV.hogcast_state.x", "$KV.hogcast_destinations.x", "hogcast.held.a.b", "$JS.ACK.x",
			"$JS.API.CONSUMER.MSG.NEXT.HOGCAST_GENERATIONS.workers",
		}),
		"setup": slices.Concat(publishing, reads[:3], reads[4:], []string{
			"$JS.API.STREAM.PURGE.HOGCAST_DEAD", "$JS.API.STREAM.MSG.DELETE.HOGCAST_DEAD", "$KV.hogcast_destinations.x", "$JS.API.CONSUMER.MSG.NEXT.HOGCAST_GENERATIONS.workers", "$JS.ACK.x",
		}),
		"sys-doctor": {"$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.PING.SUBSZ", "$SYS.REQ.ACCOUNT.HOGCAST.CONNZ", "$SYS.REQ.CLAIMS.UPDATE", "hogcast.generations.acme"},
	} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			config := queue.ConnectConfig{URLs: []string{g.server.ClientURL()}, User: user, Password: passwords[user], Inbox: "_INBOX_" + user}
			if user == "sys-doctor" {
				config.Inbox = ""
			}
			for _, subject := range not {
				violates(t, config, "publish to "+subject, func(nc *nats.Conn) error { return nc.PublishRequest(subject, nc.NewInbox(), nil) })
			}
			for _, subject := range others(user) {
				if user == "sys-doctor" && subject == "_INBOX.>" {
					continue
				}
				violates(t, config, "subscribe to "+subject, func(nc *nats.Conn) error {
					_, err := nc.SubscribeSync(subject)
					return err
				})
			}
		})
	}
}

// violates does something that the server has to refuse.
func violates(t *testing.T, c queue.ConnectConfig, what string, do func(*nats.Conn) error) {
	t.Helper()
	conn, err := queue.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := errors.Join(do(conn.NATS), conn.NATS.FlushTimeout(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := conn.NATS.LastError(); !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("%s may %s (%v)", c.User, what, err)
	}
}

func TestAPublisherIsToldAtOnceThatATenantIsNotItsOwn(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	if _, err := queue.Setup(t.Context(), g.connect(t, "setup"), queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := g.publisher(t, g.connect(t, "gateway-acme"), "beta").Publish(t.Context(), record("beta", "g1"))
	if !errors.Is(err, ingest.ErrPermission) || !strings.Contains(err.Error(), "hogcast.generations.beta") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %s", took)
	}
	operator := g.connect(t, "operator")
	if n, err := queue.Waiting(t.Context(), operator, queue.StreamGenerations); err != nil || n != 0 {
		t.Errorf("%d records are stored, %v", n, err)
	}
}

func TestAnAckThatIsAskedForElsewhereTouchesNobodysData(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	if _, err := queue.Setup(t.Context(), g.connect(t, "setup"), queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	acme, operator := g.connect(t, "gateway-acme"), g.connect(t, "operator")
	// The server sends an ack wherever a publish asks for it: permissions say
	// nothing about that, the border between accounts does.
	elsewhere := []string{
		"hogcast.generations.beta", "hogcast.generations.0.beta", "hogcast.dead.beta.main.dropped", "$KV.hogcast_destinations.beta.main",
		"$JS.API.STREAM.DELETE.HOGCAST_HELD", "$JS.API.STREAM.PURGE.HOGCAST_GENERATIONS",
	}
	for i, reply := range elsewhere {
		if err := acme.NATS.PublishRequest("hogcast.generations.acme", reply, record("acme", fmt.Sprint("g", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.publisher(t, acme, "acme").Publish(t.Context(), record("acme", "last")); err != nil { // after all of them
		t.Fatal(err)
	}
	for stream, want := range map[string]int{queue.StreamGenerations: 1, queue.StreamDead: 0, "KV_" + queue.BucketDestinations: 0, queue.StreamHeld: 0} {
		counts, err := operator.CountBySubject(t.Context(), stream, ">")
		if err != nil || len(counts) != want {
			t.Errorf("%s: %v, %v", stream, counts, err)
		}
		if stream == queue.StreamGenerations && counts["hogcast.generations.acme"] != uint64(len(elsewhere)+1) {
			t.Errorf("%s: %v", stream, counts)
		}
	}
}

func TestAUserWithTheWrongInboxPrefixIsToldWhatMendsIt(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	for user := range passwords {
		if user == "sys-doctor" {
			continue
		}
		c := g.as(user)
		c.Inbox = ""
		began := time.Now()
		_, err := queue.Connect(t.Context(), c)
		if !errors.Is(err, queue.ErrPermission) || !strings.Contains(err.Error(), "--nats-inbox-prefix") {
			t.Errorf("%s: got %v", user, err)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("%s: took %s", user, took)
		}
	}
}

func TestAnErrorSaysWhatTheServerHasRefused(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	if _, err := queue.Setup(t.Context(), g.connect(t, "setup"), queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	doctor := g.connect(t, "doctor")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := doctor.FirstOf(ctx, queue.StreamGenerations, ">")
	if err = doctor.Explain(err); !errors.Is(err, queue.ErrPermission) || !strings.Contains(err.Error(), "DIRECT.GET") {
		t.Errorf("got %v", err)
	}
}
