package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/pkg/seal"
)

// bucketWorld is a world whose destinations are in the bucket, sealed with the
// first of some master keys, each a line.
type bucketWorld struct {
	*world
	keys  []string
	file  string // of the worker's keys
	store *registry.Store
	logs  *strings.Builder // of the worker, when it has ended
}

func newBucketWorld(t *testing.T) *bucketWorld {
	t.Helper()
	w := &bucketWorld{world: newWorld(t, "[] # %s\n"), logs: &strings.Builder{}}
	for _, id := range []string{"k1", "k2"} {
		key, err := seal.NewKey(id)
		if err != nil {
			t.Fatal(err)
		}
		w.keys = append(w.keys, key)
	}
	w.file = filepath.Join(t.TempDir(), "keys")
	w.giveKeys(t, w.keys[0])
	secrets, err := app.SecretsOf(config.Secrets{KeyFile: w.file})
	if err != nil {
		t.Fatal(err)
	}
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	w.config.Logger = zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w.logs)), zap.DebugLevel))
	w.config.Destinations, w.config.Secrets = "", secrets
	w.store = w.storeOf(t, w.keys[0])
	return w
}

func (w *bucketWorld) giveKeys(t *testing.T, lines ...string) {
	t.Helper()
	if err := os.WriteFile(w.file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *bucketWorld) storeOf(t *testing.T, keys ...string) *registry.Store {
	t.Helper()
	ring, err := seal.FromText(strings.Join(keys, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := registry.OpenStore(t.Context(), registry.StoreParams{Conn: w.conn, Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

const planted = "phc_planted_%s_0123456789"

func (w *bucketWorld) put(t *testing.T, store *registry.Store, tenant string, change ...func(*destination.Destination)) {
	t.Helper()
	d := &destination.Destination{
		ID: destination.ID{Tenant: tenant, Name: "main"}, Enabled: true, Endpoint: w.posthog.URL(),
		APIKey: destination.NewSecret(fmt.Sprintf(planted, tenant)), Protocol: destination.Auto, SamplingRate: 1,
	}
	for _, c := range change {
		c(d)
	}
	var expect uint64
	if now, err := store.Get(t.Context(), d.ID); err == nil {
		expect = now.Revision
	}
	if _, err := store.Put(t.Context(), registry.Put{Destination: d, Expect: expect, By: "ann"}); err != nil {
		t.Fatal(err)
	}
}

func TestDestinationsInTheBucketAreInForceAtOnce(t *testing.T) {
	t.Parallel()
	w := newBucketWorld(t)
	w.put(t, w.store, "acme")
	w.publish(t, "acme", 50)
	stop := w.run(t)
	eventually(t, "the events of who was there", func() bool { return w.posthog.Count() == 50 })
	for i := range 5 { // no record may overtake the destination that it needs
		tenant := fmt.Sprintf("new%d", i)
		w.put(t, w.store, tenant)
		w.publish(t, tenant, 10)
	}
	eventually(t, "the events of who came", func() bool { return w.posthog.Count() == 100 })
	w.publish(t, "nobody", 1)
	eventually(t, "the letter of who is not there", func() bool { return w.waiting(t, queue.StreamDead) == 1 })
	stop()
	if n := w.posthog.Duplicates(); n != 0 {
		t.Errorf("%d events came twice", n)
	}
	if strings.Contains(w.logs.String(), "phc_planted") {
		t.Errorf("a key is in the log:\n%s", w.logs)
	}
}

func TestABranchWhoseSecretCantBeDecryptedIsHeldAndComesBackWithTheKey(t *testing.T) {
	t.Parallel()
	w := newBucketWorld(t)
	w.put(t, w.storeOf(t, w.keys[1]), "acme", func(d *destination.Destination) { d.PrivacyMode = true })
	w.put(t, w.store, "beta")
	defer w.run(t)()
	w.publish(t, "acme", 20)
	w.publish(t, "beta", 20)
	eventually(t, "the other tenant's events", func() bool { return w.posthog.Count() == 20 })
	eventually(t, "the held ones", func() bool { return w.waiting(t, queue.StreamHeld) == 20 })
	held, err := w.conn.Store(t.Context(), queue.StreamHeld)
	if err != nil {
		t.Fatal(err)
	}
	m, err := held.First(t.Context(), queue.HeldSubject("acme", "main"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m.Header["Hogcast-Reason"]); got != "[secret_unreadable]" {
		t.Errorf("held for %s", got)
	}
	if strings.Contains(string(m.Body), "hi ") {
		t.Errorf("content is held for a private destination: %s", m.Body)
	}
	w.giveKeys(t, w.keys...)
	eventually(t, "what was held", func() bool { return w.posthog.Count() == 40 && w.waiting(t, queue.StreamHeld) == 0 })
	if n := w.waiting(t, queue.StreamDead); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestTheDefaultDestinationIsEachTenantsOwn(t *testing.T) {
	t.Parallel()
	w := newBucketWorld(t)
	w.config.DefaultDestination = true
	w.put(t, w.store, destination.AnyTenant)
	w.put(t, w.store, "own")
	defer w.run(t)()
	w.publish(t, "acme", 5)
	w.publish(t, "beta", 5)
	w.publish(t, "own", 5)
	eventually(t, "the events", func() bool { return w.posthog.Count() == 15 })
	w.posthog.Always(sandbox.Match{APIKey: fmt.Sprintf(planted, "_")}, sandbox.Status(401))
	w.publish(t, "gamma", 3)
	eventually(t, "what is held, as gamma's own", func() bool {
		n, err := w.conn.HeldCount(t.Context(), queue.HeldSubject("gamma", "main"))
		return err == nil && n == 3
	})
	w.posthog.Clear(sandbox.Match{APIKey: fmt.Sprintf(planted, "_")})
	eventually(t, "what was held", func() bool { return w.posthog.Count() == 18 })
}

func TestWithoutTheSwitchADefaultDestinationIsNobodys(t *testing.T) {
	t.Parallel()
	w := newBucketWorld(t)
	w.put(t, w.store, destination.AnyTenant)
	defer w.run(t)()
	w.publish(t, "acme", 1)
	eventually(t, "the letter", func() bool { return w.waiting(t, queue.StreamDead) == 1 })
}

func TestAWorkerOfTheBucketNeedsMasterKeys(t *testing.T) {
	t.Parallel()
	w := newBucketWorld(t)
	w.config.Secrets = app.Secrets{}
	if err := app.RunWorker(t.Context(), w.config); err == nil || !strings.Contains(err.Error(), "secrets-key-file: missing") {
		t.Errorf("got %v", err)
	}
	w.config.Secrets.AllowPlain = true
	ctx, cancel := context.WithCancel(t.Context())
	w.config.Consuming = cancel
	if err := app.RunWorker(ctx, w.config); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestABranchWhoseEntryCantBeReadIsHeldAndComesBackWhenItIsMended(t *testing.T) {
	t.Parallel()
	w := newBucketWorld(t)
	w.put(t, w.store, "beta")
	bucket, err := w.conn.Bucket(t.Context(), queue.BucketDestinations)
	if err != nil {
		t.Fatal(err)
	}
	// Nobody knows a good version of it, and yet it is clear that it is not private.
	if _, err := bucket.Put(t.Context(), "acme.main", []byte(`{"api_key":"phc_a","endpoint":"ftp://nowhere"}`), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Put(t.Context(), "beta.other", []byte(`{"api_key":`), 0); err != nil {
		t.Fatal(err)
	}
	defer w.run(t)()
	w.publish(t, "acme", 20)
	w.publish(t, "beta", 20)
	eventually(t, "beta's events where its entry is good", func() bool { return w.posthog.Count() == 20 })
	eventually(t, "the held ones", func() bool { return w.waiting(t, queue.StreamHeld) == 40 })
	held, err := w.conn.Store(t.Context(), queue.StreamHeld)
	if err != nil {
		t.Fatal(err)
	}
	for subject, content := range map[string]bool{"hogcast.held.acme.main": true, "hogcast.held.beta.other": false} {
		m, err := held.First(t.Context(), subject)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(m.Header["Hogcast-Reason"]); got != "[entry_unreadable]" || strings.Contains(string(m.Body), "hi ") != content {
			t.Errorf("%s: held for %s: %s", subject, got, m.Body)
		}
	}
	for _, key := range []string{"acme.main", "beta.other"} {
		if err := bucket.Delete(t.Context(), key, 0); err != nil {
			t.Fatal(err)
		}
	}
	w.put(t, w.store, "acme")
	w.put(t, w.store, "beta", func(d *destination.Destination) { d.Name = "other" })
	eventually(t, "what was held", func() bool { return w.posthog.Count() == 60 && w.waiting(t, queue.StreamHeld) == 0 })
	if n := w.waiting(t, queue.StreamDead); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestAMasterKeyIsRotatedWhileWorkersRunAndOperatorsWrite(t *testing.T) {
	t.Parallel()
	w := newBucketWorld(t)
	for round := range 4 { // the ids of a tenant's records begin anew
		w.put(t, w.store, fmt.Sprintf("open%d", round))
		w.put(t, w.store, fmt.Sprintf("shut%d", round), func(d *destination.Destination) { d.PrivacyMode = true })
	}
	stop := w.run(t)
	sent, round := 0, 0
	publish := func() {
		w.publish(t, fmt.Sprintf("open%d", round), 20)
		w.publish(t, fmt.Sprintf("shut%d", round), 20)
		sent, round = sent+40, round+1
	}
	publish()
	w.giveKeys(t, w.keys[0], w.keys[1])
	both := w.storeOf(t, w.keys[1], w.keys[0])
	w.put(t, both, "new") // sealed with the new key: the worker has read it once this comes
	w.publish(t, "new", 1)
	sent++
	eventually(t, "the events of all", func() bool { return w.posthog.Count() == sent })
	w.giveKeys(t, w.keys[1], w.keys[0])
	others := make(chan struct{})
	go func() { // an operator who has not heard of it
		defer close(others)
		for i := range 20 {
			d := &destination.Destination{
				ID: destination.ID{Tenant: fmt.Sprintf("t%d", i%5), Name: "main"}, Enabled: true, Endpoint: w.posthog.URL(),
				APIKey: destination.NewSecret("phc_planted_other"), Protocol: destination.Auto, SamplingRate: 1,
			}
			saved, err := w.storeOf(t, w.keys[0]).Put(t.Context(), registry.Put{Destination: d, By: "bob"})
			if err == nil {
				err = w.store.Delete(t.Context(), registry.Delete{ID: d.ID, Expect: saved.Revision, By: "bob"})
			}
			if err != nil && !errors.Is(err, registry.ErrConflict) && !errors.Is(err, registry.ErrInvalid) {
				t.Error(err)
			}
		}
	}()
	publish()
	for left := 1; left > 0; {
		rotated, err := both.Rotate(t.Context(), registry.Rotate{By: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		left = len(rotated.Left)
	}
	<-others
	if rotated, err := both.Rotate(t.Context(), registry.Rotate{By: "ann"}); err != nil || len(rotated.Left) > 0 {
		t.Fatalf("%+v, %v", rotated, err)
	}
	publish()
	w.giveKeys(t, w.keys[1]) // the old one is gone
	publish()
	w.put(t, w.storeOf(t, w.keys[1]), "last")
	w.publish(t, "last", 1)
	sent++
	eventually(t, "the events of all", func() bool { return w.posthog.Count() == sent })
	stop()
	if held, dead := w.waiting(t, queue.StreamHeld), w.waiting(t, queue.StreamDead); held+dead > 0 || w.posthog.Duplicates() > 0 {
		t.Errorf("%d are held, %d dead, %d came twice", held, dead, w.posthog.Duplicates())
	}
	if strings.Contains(w.logs.String(), "phc_planted") {
		t.Errorf("a key is in the log:\n%s", w.logs)
	}
}
