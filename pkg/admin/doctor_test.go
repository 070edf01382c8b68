package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/doctor"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

// examine runs the doctor and returns what is not well, by check.
func examine(t *testing.T, conn *queue.Conn, p admin.DoctorParams) map[string]doctor.Finding {
	t.Helper()
	var out bytes.Buffer
	p.Out, p.JSON = &out, true
	if p.Worker.Window == 0 {
		p.Worker = app.DefaultWorker()
	}
	if _, err := admin.Doctor(t.Context(), conn, p); err != nil {
		t.Fatal(err)
	}
	var report struct{ Findings []doctor.Finding }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	bad := map[string]doctor.Finding{}
	for _, f := range report.Findings {
		if f.Level != doctor.OK {
			bad[f.Check] = f
		}
	}
	return bad
}

// edit changes a stream's configuration in place.
func edit(t *testing.T, conn *queue.Conn, stream string, change func(*jetstream.StreamConfig)) {
	t.Helper()
	s, err := conn.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	config := s.CachedInfo().Config
	change(&config)
	if _, err := conn.JS.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

// anew deletes a stream and makes it as changed, with its consumers.
func anew(t *testing.T, conn *queue.Conn, stream string, change func(*jetstream.StreamConfig)) {
	t.Helper()
	topology := queue.NewTopology(queue.DefaultParams())
	i := slices.IndexFunc(topology.Streams, func(s jetstream.StreamConfig) bool { return s.Name == stream })
	config := topology.Streams[i]
	change(&config)
	if err := conn.JS.DeleteStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.JS.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	for _, c := range topology.Consumers {
		if c.Stream == stream {
			if _, err := conn.JS.CreateConsumer(t.Context(), stream, c.Config); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// rework makes a consumer anew.
func rework(t *testing.T, conn *queue.Conn, stream string, change func(*jetstream.ConsumerConfig)) {
	t.Helper()
	for _, c := range queue.NewTopology(queue.DefaultParams()).Consumers {
		if c.Stream != stream {
			continue
		}
		if err := conn.JS.DeleteConsumer(t.Context(), stream, c.Config.Durable); err != nil {
			t.Fatal(err)
		}
		change(&c.Config)
		if _, err := conn.JS.CreateConsumer(t.Context(), stream, c.Config); err != nil {
			t.Fatal(err)
		}
	}
}

func publish(t *testing.T, conn *queue.Conn, subject string, n int) {
	t.Helper()
	for i := range n {
		err := conn.Publish(t.Context(), queue.Message{Subject: subject, ID: fmt.Sprintf("%s/%d", subject, i), Body: []byte(strings.Repeat("x", 1000))})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func set(t *testing.T, conn *queue.Conn, bucket, key, value string) {
	t.Helper()
	b, err := conn.Bucket(t.Context(), bucket)
	if err == nil {
		err = b.Set(t.Context(), key, []byte(value))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFreshSetUpHasNoProblem(t *testing.T) {
	t.Parallel()
	bad := examine(t, newQueue(t, queue.DefaultParams()), admin.DoctorParams{})
	for name, f := range bad {
		if !slices.Contains([]string{"workers_alive", "sync_interval", "storage_encryption", "max_payload"}, name) {
			t.Errorf("%+v", f)
		}
	}
	if bad["workers_alive"].Level != doctor.Warning {
		t.Errorf("no worker: %+v", bad["workers_alive"])
	}
}

func TestWhatIsReallyBrokenIsFoundOnARealServer(t *testing.T) {
	t.Parallel()
	const generations, wakeups = queue.StreamGenerations, queue.StreamWakeups
	status := func(s health.Status) string {
		data, _ := json.Marshal(s)
		return string(data)
	}
	for name, c := range map[string]struct {
		spoil func(*testing.T, *queue.Conn)
		check string
		level doctor.Level
		says  string
	}{
		"a stream that is missing": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			if err := q.JS.DeleteStream(t.Context(), queue.StreamHeld); err != nil {
				t.Fatal(err)
			}
		}, "stream_exists", doctor.Problem, "HOGCAST_HELD is missing"},
		"discard old":                {on(generations, func(s *jetstream.StreamConfig) { s.Discard, s.DiscardNewPerSubject = jetstream.DiscardOld, false }), "stream_discard", doctor.Problem, "oldest"},
		"a max_age":                  {on(generations, func(s *jetstream.StreamConfig) { s.MaxAge = time.Hour }), "stream_max_age", doctor.Problem, "after 1h"},
		"no quota by subject":        {on(generations, func(s *jetstream.StreamConfig) { s.DiscardNewPerSubject, s.MaxMsgsPerSubject = false, -1 }), "stream_per_subject", doctor.Warning, ""},
		"a short duplicate window":   {on(generations, func(s *jetstream.StreamConfig) { s.Duplicates = time.Second }), "stream_duplicates", doctor.Warning, "1s"},
		"no publish acks":            {on(generations, func(s *jetstream.StreamConfig) { s.NoAck = true }), "stream_writes", doctor.Problem, ""},
		"rollups":                    {on(generations, func(s *jetstream.StreamConfig) { s.AllowRollup = true }), "stream_headers", doctor.Warning, ""},
		"two wake-ups a destination": {on(wakeups, func(s *jetstream.StreamConfig) { s.MaxMsgsPerSubject = 2 }), "stream_per_subject", doctor.Problem, ""},
		"another subject":            {on(generations, func(s *jetstream.StreamConfig) { s.Subjects = []string{"hogcast.generations.acme"} }), "stream_subjects", doctor.Problem, "hogcast.generations.acme"},
		"small messages alone":       {on(generations, func(s *jetstream.StreamConfig) { s.MaxMsgSize = 1000 }), "stream_limits", doctor.Warning, ""},
		"memory storage":             {again(generations, func(s *jetstream.StreamConfig) { s.Storage = jetstream.MemoryStorage }), "stream_storage", doctor.Problem, "memory"},
		"limits on a work queue":     {again(generations, func(s *jetstream.StreamConfig) { s.Retention = jetstream.LimitsPolicy }), "stream_retention", doctor.Problem, "work queue"},
		"asynchronous writes": {again(generations, func(s *jetstream.StreamConfig) {
			s.PersistMode, s.DiscardNewPerSubject = jetstream.AsyncPersistMode, true
		}), "stream_writes", doctor.Problem, "async"},
		"wake-ups that can't be deleted": {again(wakeups, func(s *jetstream.StreamConfig) { s.DenyDelete = true }), "stream_sealed", doctor.Problem, ""},
		"a full stream": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			publish(t, q, queue.HeldSubject("acme", "main"), 20)
			edit(t, q, queue.StreamHeld, func(s *jetstream.StreamConfig) { s.MaxBytes = 26_000 })
		}, "stream_fill", doctor.Warning, "filling up"},

		"a consumer that is missing": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			if err := q.JS.DeleteConsumer(t.Context(), generations, queue.ConsumerWorkers); err != nil {
				t.Fatal(err)
			}
		}, "consumer_exists", doctor.Problem, "missing"},
		"no priorities":         {worked(generations, func(c *jetstream.ConsumerConfig) { c.PriorityPolicy, c.PriorityGroups = 0, nil }), "consumer_priority", doctor.Problem, ""},
		"a filter":              {worked(generations, func(c *jetstream.ConsumerConfig) { c.FilterSubject = "hogcast.generations.acme" }), "consumer_filter", doctor.Problem, "acme"},
		"a limit of deliveries": {worked(generations, func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 5 }), "consumer_max_deliver", doctor.Problem, "5"},
		"a short ack_wait":      {worked(generations, func(c *jetstream.ConsumerConfig) { c.AckWait = 5 * time.Second }), "consumer_ack_wait", doctor.Problem, "5s"},
		"few in hand":           {worked(generations, func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 10 }), "consumer_max_ack_pending", doctor.Problem, "10"},
		"a backoff list":        {worked(generations, func(c *jetstream.ConsumerConfig) { c.BackOff, c.MaxDeliver = []time.Duration{time.Second}, 2 }), "consumer_kind", doctor.Problem, "backoff"},
		"headers alone":         {worked(generations, func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true }), "consumer_kind", doctor.Problem, "headers"},
		"small pulls":           {worked(generations, func(c *jetstream.ConsumerConfig) { c.MaxRequestBatch = 10 }), "consumer_pulls", doctor.Problem, "10"},
		"deleted when idle":     {worked(generations, func(c *jetstream.ConsumerConfig) { c.InactiveThreshold = time.Hour }), "consumer_storage", doctor.Problem, "1h"},
		"a memory of its own":   {worked(generations, func(c *jetstream.ConsumerConfig) { c.MemoryStorage = true }), "consumer_storage", doctor.Warning, ""},
		"few wake-ups at once":  {worked(wakeups, func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 1000 }), "consumer_max_ack_pending", doctor.Problem, "1,000"},
		"a paused consumer":     {worked(generations, func(c *jetstream.ConsumerConfig) { c.PauseUntil = new(time.Now().Add(time.Hour)) }), "consumer_paused", doctor.Problem, "nats consumer resume"},
		"records that nobody takes": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			publish(t, q, queue.GenerationSubject("acme"), 3)
		}, "consumer_stuck", doctor.Problem, "no worker is alive"},
		"all that may be in hand": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			worked(generations, func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 2 })(t, q)
			publish(t, q, queue.GenerationSubject("acme"), 3)
			c, err := q.JS.Consumer(t.Context(), generations, queue.ConsumerWorkers)
			if err != nil {
				t.Fatal(err)
			}
			batch, err := c.Fetch(2, jetstream.FetchPriorityGroup(queue.PriorityGroup), jetstream.FetchMaxWait(5*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			for range batch.Messages() { // never acknowledged
			}
		}, "consumer_at_cap", doctor.Problem, "2 messages are in hand"},

		"a bucket that is missing": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			if err := q.JS.DeleteKeyValue(t.Context(), queue.BucketJobs); err != nil {
				t.Fatal(err)
			}
		}, "bucket_exists", doctor.Problem, "hogcast_jobs is missing"},
		"a bucket that forgets":  {on("KV_"+queue.BucketDestinations, func(s *jetstream.StreamConfig) { s.MaxAge = time.Hour }), "bucket_ttl", doctor.Problem, "1h"},
		"a bucket of no history": {on("KV_"+queue.BucketDestinations, func(s *jetstream.StreamConfig) { s.MaxMsgsPerSubject = 1 }), "bucket_history", doctor.Warning, "not 10"},

		"held work that nobody wakes": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			publish(t, q, queue.HeldSubject("acme", "main"), 2)
			publish(t, q, queue.HeldHostSubject("abc", "acme", "eu"), 1)
			publish(t, q, queue.HeldSubject("beta", "main"), 1)
			if err := q.WakeUp(t.Context(), queue.WakeupSubject("beta", "main")); err != nil {
				t.Fatal(err)
			}
		}, "held_asleep", doctor.Warning, "2 held subjects"},
		"destinations that are down": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			set(t, q, queue.BucketState, "acme.main", status(health.Status{State: health.Held, Reason: "unauthorized"}))
			set(t, q, queue.BucketState, "acme.eu", status(health.Status{State: health.Draining}))
		}, "destinations_blocked", doctor.Warning, "1 destination can't be delivered to (1 held), for: 1 unauthorized"},
		"a host that is down": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			set(t, q, queue.BucketState, "_host.abc", status(health.Status{State: health.Open, Host: "https://posthog.example"}))
		}, "hosts_down", doctor.Warning, "1 PostHog host"},
		"workers of two versions": {func(t *testing.T, q *queue.Conn) {
			t.Helper()
			set(t, q, queue.BucketWorkers, "a", `{"version":"1.0.0"}`)
			set(t, q, queue.BucketWorkers, "b", `{"version":"1.1.0"}`)
			set(t, q, queue.BucketWorkers, "c", "2026-01-02T03:04:05Z")
		}, "worker_versions", doctor.Warning, "1 1.0.0, 1 1.1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, queue.DefaultParams())
			c.spoil(t, q)
			bad := examine(t, q, admin.DoctorParams{Sample: 100 * time.Millisecond})
			got := bad[c.check]
			if all := fmt.Sprint(got.Subject, " ", got.What, got.Mend); got.Level != c.level || !strings.Contains(all, c.says) {
				t.Errorf("%s: got %+v, want %s, %q\nall: %+v", c.check, got, c.level, c.says, bad)
			}
		})
	}
}

func on(stream string, change func(*jetstream.StreamConfig)) func(*testing.T, *queue.Conn) {
	return func(t *testing.T, q *queue.Conn) { t.Helper(); edit(t, q, stream, change) }
}

func again(stream string, change func(*jetstream.StreamConfig)) func(*testing.T, *queue.Conn) {
	return func(t *testing.T, q *queue.Conn) { t.Helper(); anew(t, q, stream, change) }
}

func worked(stream string, change func(*jetstream.ConsumerConfig)) func(*testing.T, *queue.Conn) {
	return func(t *testing.T, q *queue.Conn) { t.Helper(); rework(t, q, stream, change) }
}

func TestShardsAreLookedAtOpenAndClosed(t *testing.T) {
	t.Parallel()
	p := queue.DefaultParams()
	p.Shards = 3
	q := newQueue(t, p)
	p.Shards = 2
	if _, err := queue.Setup(t.Context(), q, p); err != nil { // closes the last
		t.Fatal(err)
	}
	for name, f := range examine(t, q, admin.DoctorParams{}) {
		if f.Level == doctor.Problem {
			t.Errorf("%s: %+v", name, f)
		}
	}
	edit(t, q, queue.ShardStream(1), func(s *jetstream.StreamConfig) { s.MaxAge = time.Hour })
	if err := q.JS.DeleteConsumer(t.Context(), queue.ShardStream(2), queue.ConsumerWorkers); err != nil {
		t.Fatal(err)
	}
	bad := examine(t, q, admin.DoctorParams{})
	if f := bad["stream_max_age"]; f.Subject != queue.ShardStream(1) || f.Level != doctor.Problem {
		t.Errorf("an open shard: %+v", f)
	}
	if f := bad["consumer_exists"]; !strings.HasSuffix(f.Subject, queue.ShardStream(2)) || f.Level != doctor.Problem {
		t.Errorf("a closed shard, which has to be emptied: %+v", f)
	}
}

func TestSetUpMendsWhatTheDoctorSaysThatItMends(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queue.DefaultParams())
	edit(t, q, queue.StreamGenerations, func(s *jetstream.StreamConfig) {
		s.MaxAge, s.Discard, s.DiscardNewPerSubject = time.Hour, jetstream.DiscardOld, false
	})
	edit(t, q, "KV_"+queue.BucketDestinations, func(s *jetstream.StreamConfig) { s.MaxAge, s.MaxMsgsPerSubject = time.Hour, 1 })
	worked(queue.StreamWakeups, func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 1000 })(t, q)
	if err := q.JS.DeleteStream(t.Context(), queue.StreamHeldHosts); err != nil {
		t.Fatal(err)
	}
	before := examine(t, q, admin.DoctorParams{})
	if _, err := queue.Setup(t.Context(), q, queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	after := examine(t, q, admin.DoctorParams{})
	for _, check := range []string{"stream_max_age", "stream_discard", "bucket_ttl", "bucket_history", "consumer_max_ack_pending", "stream_exists"} {
		if f := before[check]; !strings.Contains(f.Mend, "hogcast setup") {
			t.Errorf("before: %s: %+v", check, f)
		}
		if f, still := after[check]; still {
			t.Errorf("after: %+v", f)
		}
	}
}

func TestTheDoctorReadsServersFilesAndAWorkersConfiguration(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	config := fmt.Sprintf(`
server_name: alone
listen: 127.0.0.1:-1
http: 127.0.0.1:-1
max_payload: 1MB
jetstream { store_dir: %q, sync_interval: 10s, key: "a key of the storage", cipher: aes }
accounts { SYS { users: [{user: sys, password: s3cret}] }, APP { jetstream: enabled, users: [{user: app, password: app}] } }
system_account: SYS
`, folder)
	file := filepath.Join(folder, "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := natstest.ByFile(t, file)
	connect := queue.ConnectConfig{URLs: []string{s.ClientURL()}, User: "app", Password: "app"}
	q, err := queue.Connect(t.Context(), connect)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	if _, err := queue.Setup(t.Context(), q, queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	sys := connect
	sys.User, sys.Password = "sys", "s3cret"
	monitoring := fmt.Sprintf("http://%s", s.MonitorAddr())
	worker, err := app.ReadWorker(strings.NewReader("destinations: /nowhere.yaml\nwindow: 1MiB\nrequest_timeout: 20s\nmain-lane-max: 90s\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]admin.DoctorParams{
		"its monitoring":     {Monitoring: []string{monitoring}},
		"the system account": {System: &sys},
		"its file":           {ServerConfig: file},
	} {
		f := examine(t, q, p)["sync_interval"]
		if f.Level != doctor.Warning || !strings.Contains(f.What, "every 10s") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if none, err := app.ReadWorker(strings.NewReader("destinations: /nowhere.yaml\ndrain_timeout: 0s\n")); err != nil || !strings.Contains(none.Err, "drain-timeout: 0s is no time") {
		t.Errorf("%v, %q", err, none.Err)
	}
	bad := examine(t, q, admin.DoctorParams{Worker: worker, ServerConfig: file})
	for check, want := range map[string]doctor.Level{
		"max_payload": doctor.Warning, "worker_window": doctor.Problem, "consumer_ack_wait": doctor.Problem, "worker_destinations": doctor.Unknown,
	} {
		if got := bad[check]; got.Level != want {
			t.Errorf("%s: got %+v, want %s", check, got, want)
		}
	}
	if f, found := bad["storage_encryption"]; found {
		t.Errorf("an encrypted storage: %+v", f)
	}
	wrong := sys
	wrong.User, wrong.Password = "app", "app"
	for name, p := range map[string]admin.DoctorParams{
		"a user of no system account": {System: &wrong},
		"nobody":                      {Monitoring: []string{"http://user:s3cret@127.0.0.1:1"}},
		"no URL":                      {Monitoring: []string{"nats-0"}},
		"no server":                   {Monitoring: []string{monitoring + "/s3cret"}},
	} {
		f := examine(t, q, p)["monitoring"]
		if f.Level != doctor.Unknown || strings.Contains(f.What, "s3cret") && name != "no server" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestTheDoctorIsDoneSoonWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	s := natstest.Configured(t, `listen: 127.0.0.1:-1`) // no JetStream
	q, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: []string{s.ClientURL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out bytes.Buffer
	worst, err := admin.Doctor(ctx, q, admin.DoctorParams{Worker: app.DefaultWorker(), Out: &out})
	if err != nil || worst != doctor.Problem || !strings.Contains(out.String(), "JetStream does not answer") {
		t.Errorf("%v, %s:\n%s", err, worst, out.String())
	}
}
