package purge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/purge"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/seal"
	"github.com/hogcast/hogcast/test/natstest"
)

// world is a real queue with three shards.
type world struct {
	conn *queue.Conn
	dir  string
	n    int // messages published
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir()}
	w.conn = natstest.Connect(t, natstest.Start(t, embedded.Config{StoreDir: w.dir, MaxPayload: 1 << 20}))
	params := queue.DefaultParams()
	params.Shards = 3
	natstest.SetUp(t, w.conn, params)
	return w
}

func (w *world) publish(t *testing.T, subject string, header map[string][]string, body string) {
	t.Helper()
	w.n++
	m := queue.Message{Subject: subject, ID: fmt.Sprint("m", w.n), Header: header, Body: []byte(body)}
	if err := w.conn.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func recordOf(tenant, user string) string {
	return `{"id":"g","tenant":"` + tenant + `","created_at":"2026-01-02T03:04:05Z","model":"m","user":` + user +
		`,"messages":[{"role":"user","content":"canary of ` + tenant + strings.ReplaceAll(user, `"`, " ") + `"}]}`
}

// everywhere are the subjects where a tenant's records may be.
func everywhere(tenant string) (generations, enveloped []string) {
	generations = []string{queue.GenerationSubject(tenant), queue.ShardSubject(tenant, 3)}
	enveloped = []string{
		queue.HeldSubject(tenant, "main"), queue.HeldSubject(tenant, "other"),
		queue.HeldHostSubject(queue.HostToken("x"), tenant, "main"), queue.HeldHostSubject(queue.HostToken("y"), tenant, "main"),
		queue.DeadSubject(tenant, "main", "dropped"), queue.DeadSubject(tenant, "", "malformed"),
	}
	return generations, enveloped
}

// spread puts a record everywhere.
func (w *world) spread(t *testing.T, tenant, body string) {
	t.Helper()
	generations, enveloped := everywhere(tenant)
	for _, subject := range generations {
		w.publish(t, subject, nil, body)
	}
	for _, subject := range enveloped {
		w.keep(t, subject, body)
	}
}

// keep stores one enveloped record.
func (w *world) keep(t *testing.T, subject, body string, rules ...string) {
	t.Helper()
	e := envelope.Envelope{Source: envelope.Source{Stream: "S", Sequence: uint64(w.n), Time: time.Unix(1, 0)}, RecordID: "g", Rules: rules, Body: []byte(body)} //nolint:gosec // small
	w.publish(t, subject, e.Headers(), body)
}

var streams = []string{
	queue.StreamGenerations, queue.ShardStream(0), queue.ShardStream(1), queue.ShardStream(2),
	queue.StreamHeld, queue.StreamHeldHosts, queue.StreamDead, queue.StreamWakeups,
}

// left counts what streams hold, by subject.
func (w *world) left(t *testing.T) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	for _, stream := range streams {
		counts, err := w.conn.CountBySubject(t.Context(), stream, ">")
		if err != nil {
			t.Fatal(err)
		}
		for subject, n := range counts {
			all[subject] += n
		}
	}
	return all
}

// ours is what of the count is a tenant's.
func ours(counts map[string]uint64, tenant string) (n uint64) {
	for subject, count := range counts {
		for token := range strings.SplitSeq(subject, ".") {
			if token == tenant {
				n += count
			}
		}
	}
	return n
}

func (w *world) bucket(t *testing.T, name string) *queue.Bucket {
	t.Helper()
	b, err := w.conn.Bucket(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *world) set(t *testing.T, bucket, key, value string) {
	t.Helper()
	if err := w.bucket(t, bucket).Set(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// masterKeys are those of a ring with one key.
func masterKeys(t *testing.T) *seal.Keys {
	t.Helper()
	key, err := seal.NewKey("k1")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.FromText(key)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// put saves a destination, and returns its revision.
func (w *world) put(t *testing.T, keys *seal.Keys, id destination.ID, hashKey string, expect uint64) uint64 {
	t.Helper()
	store, err := registry.OpenStore(t.Context(), registry.StoreParams{Conn: w.conn, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	d := destination.Destination{
		ID: id, Enabled: true, APIKey: destination.NewSecret("phc_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"), Endpoint: destination.EndpointUS, Protocol: destination.Auto, SamplingRate: 1,
		HoldMax: time.Hour, Privacy: destination.Rules{UserHashKey: destination.NewSecret(hashKey)},
	}
	stored, err := store.Put(t.Context(), registry.Put{Destination: &d, Expect: expect, By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return stored.Revision
}

func hashedUser(key, user string) string {
	return privacy.HashedUser(destination.NewSecret(key), user)
}

// deeds are the erasures in the audit trail.
func (w *world) deeds(t *testing.T) (all []audit.Record) {
	t.Helper()
	err := audit.New(w.conn.Log()).Read(t.Context(), audit.Query{Actions: []audit.Action{audit.Purged}}, func(r audit.Record) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (w *world) hashes(t *testing.T, keys *seal.Keys, tenant, user string) purge.Hashes {
	t.Helper()
	h, err := purge.HashesOf(t.Context(), purge.HashParams{Conn: w.conn, Keys: keys, Tenant: tenant, User: user})
	if err != nil {
		t.Fatal(err)
	}
	return h
}
