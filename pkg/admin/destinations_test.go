package admin_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/posthog"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/pkg/seal"
)

const plantedKey = "phc_planted_key_of_acme_0001"

// office is an operator with a NATS and a PostHog, and no worker.
type office struct {
	*admin.Destinations
	conn       *queue.Conn
	posthog    *sandbox.Server
	out, notes bytes.Buffer
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{conn: newQueue(t, queue.DefaultParams()), posthog: sandbox.New(sandbox.Config{})}
	if err := o.posthog.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.posthog.Close() })
	sender, err := posthog.NewSender(posthog.Config{EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	line, err := seal.NewKey("k1")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.FromText(line)
	if err != nil {
		t.Fatal(err)
	}
	store, err := registry.OpenStore(t.Context(), registry.StoreParams{Conn: o.conn, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	o.Destinations = &admin.Destinations{
		Conn: o.conn, Store: store, Keys: keys, Trail: audit.New(o.conn.Log()), Tester: sender, By: "ann", Out: &o.out, Notes: &o.notes,
	}
	return o
}

func (o *office) destination(name string) *destination.Destination {
	return &destination.Destination{
		ID: destination.ID{Tenant: "acme", Name: name}, Enabled: true, APIKey: destination.NewSecret(plantedKey),
		Endpoint: o.posthog.URL(), Protocol: destination.Auto, SamplingRate: 1,
	}
}

func (o *office) put(t *testing.T, d *destination.Destination) {
	t.Helper()
	if err := o.Put(t.Context(), admin.PutParams{Destination: d}); err != nil {
		t.Fatal(err)
	}
}

// said returns what was written since the last call.
func (o *office) said() string {
	defer o.out.Reset()
	return o.out.String()
}

// hold puts a branch into HELD; host is the token of a host, or "".
func (o *office) hold(t *testing.T, id destination.ID, host string, n int, body string) {
	t.Helper()
	subject := queue.HeldSubject(id.Tenant, id.Name)
	if host != "" {
		subject = queue.HeldHostSubject(host, id.Tenant, id.Name)
	}
	e := envelope.Envelope{
		Source: envelope.Source{Stream: "S", Sequence: uint64(n), Time: time.Unix(0, 1)}, RecordID: fmt.Sprintf("r%d", n), Body: []byte(body), //nolint:gosec // small
	}
	if err := o.conn.Publish(t.Context(), queue.Message{Subject: subject, ID: fmt.Sprintf("%s/%d", subject, n), Header: e.Headers(), Body: e.Body}); err != nil {
		t.Fatal(err)
	}
}

func recordOf(n int) string {
	return fmt.Sprintf(`{"id":"r%d","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m","messages":[{"role":"user","content":"content-canary"}]}`, n)
}

func (o *office) held(t *testing.T, filter string) uint64 {
	t.Helper()
	n, err := o.conn.HeldCount(t.Context(), filter)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestChangesTellEverySettingAndNoSecret(t *testing.T) {
	t.Parallel()
	secret := func(s string) destination.Secret { return destination.NewSecret(s) }
	ids := func(from, to int) (all []string) {
		for n := from; n <= to; n++ {
			all = append(all, fmt.Sprintf("key-%03d", n))
		}
		return all
	}
	one := destination.ID{Tenant: "acme", Name: "main"}
	for name, tt := range map[string]struct {
		before, after destination.Destination
		want          []admin.SettingChange
	}{
		"nothing": {},
		"a secret under the same mask": {
			destination.Destination{APIKey: secret("phc_ab-first-wxyz")},
			destination.Destination{APIKey: secret("phc_ab-other-wxyz")},
			[]admin.SettingChange{{Setting: "api_key", Before: "phc_ab…wxyz", After: "phc_ab…wxyz (another one)"}},
		},
		"a hash key, which shows nothing": {
			destination.Destination{Privacy: destination.Rules{UserHashKey: secret("0123456789abcdef")}},
			destination.Destination{Privacy: destination.Rules{UserHashKey: secret("fedcba9876543210")}},
			[]admin.SettingChange{{Setting: "privacy.user_hash_key", Before: "[redacted]", After: "[redacted] (another one)"}},
		},
		"what came and went of a long list": {
			destination.Destination{APIKeys: destination.KeyFilter{Include: ids(1, 50)}},
			destination.Destination{APIKeys: destination.KeyFilter{Include: ids(2, 51)}},
			[]admin.SettingChange{{Setting: "api_keys.include", Before: "(50 in all)", After: `(50 in all) +"key-051" -"key-001"`}},
		},
		"many of it": {
			destination.Destination{APIKeys: destination.KeyFilter{Include: ids(1, 20)}},
			destination.Destination{},
			[]admin.SettingChange{{Setting: "api_keys.include", Before: "(20 in all)"}},
		},
		"numbers and flags": {
			destination.Destination{Enabled: true, MaxRate: 5},
			destination.Destination{MaxConcurrency: 3},
			[]admin.SettingChange{{Setting: "enabled", Before: "true", After: "false"}, {Setting: "max_concurrency", After: "3"}, {Setting: "max_rate", Before: "5"}},
		},
		"certificates by their sum": {
			destination.Destination{},
			destination.Destination{CA: "-----BEGIN"},
			[]admin.SettingChange{{Setting: "ca", After: "certificates, 10 bytes, sha256 4d925b8ea5a5"}},
		},
	} {
		tt.before.ID, tt.after.ID = one, one
		got := admin.Changes(&tt.before, &tt.after)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOfTwoWhoPutAtOnceOneIsToldOfTheOther(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put(t, o.destination("main"))
	one := uint64(1)
	next := o.destination("main")
	next.SamplingRate = 0.5
	o.put(t, next)
	late := o.destination("main")
	late.SamplingRate = 0.1
	err := o.Put(t.Context(), admin.PutParams{Destination: late, Revision: &one})
	if !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "changed by ann at ") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNotAcceptedIsNotSaved(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault sandbox.Fault
		want  error
	}{
		"failed":    {sandbox.Status(401), admin.ErrTestFailed},
		"undecided": {sandbox.Status(503), admin.ErrTestUndecided},
	} {
		o := newOffice(t)
		o.posthog.Always(sandbox.Match{}, tt.fault)
		if err := o.Put(t.Context(), admin.PutParams{Destination: o.destination("main")}); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if fresh, err := o.Fresh(t.Context(), o.destination("main").ID); !fresh || err != nil {
			t.Errorf("%s: it is there, %v", name, err)
		}
		if strings.Contains(o.said(), plantedKey) {
			t.Errorf("%s: the key was said", name)
		}
	}
}

func TestWhatIsHeldMovesWithoutAWorker(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	old, other := o.destination("old"), o.destination("other")
	other.PrivacyMode = true
	o.put(t, old)
	o.put(t, other)
	for n := range 400 {
		o.hold(t, old.ID, "", n, recordOf(n))
	}
	for n := range 20 {
		o.hold(t, old.ID, "h0st", 1000+n, recordOf(1000+n))
		o.hold(t, destination.ID{Tenant: "beta", Name: "main"}, "h0st", 2000+n, recordOf(n)) // not its
	}
	o.hold(t, old.ID, "", 9999, "not JSON")
	var done uint64
	err := o.Delete(t.Context(), admin.DeleteParams{
		SetParams: admin.SetParams{ID: old.ID}, MoveTo: "other", Progress: func(n, _ uint64) { done = n },
	})
	if err != nil {
		t.Fatal(err)
	}
	text := o.said()
	for _, want := range []string{"  held          421\n", "deleted acme.old\n", "420 held branches moved to acme.other\n", "1 held branch can't be read"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if got := o.held(t, queue.HeldSubject("acme", "other")); got != 420 || done != 421 {
		t.Errorf("%d moved, %d told", got, done)
	}
	if n := o.held(t, queue.HeldSubject("acme", "old")) + o.held(t, queue.HeldHostSubject("*", "acme", "old")); n != 0 {
		t.Errorf("%d stay", n)
	}
	if n := o.held(t, queue.HeldHostFilter("h0st")); n != 20 {
		t.Errorf("%d of the other tenant's are left", n)
	}
	m, err := o.conn.Oldest(t.Context(), queue.HeldSubject("acme", "other"))
	if err != nil || strings.Contains(string(m.Body), "content-canary") {
		t.Errorf("%v %s", err, m.Body)
	}
	if n, err := queue.Waiting(t.Context(), o.conn, queue.StreamDead); n != 1 || err != nil {
		t.Errorf("%d dead letters, %v", n, err)
	}
	wakeups, err := o.conn.CountBySubject(t.Context(), queue.StreamWakeups, ">")
	if diff := cmp.Diff(map[string]uint64{queue.WakeupSubject("acme", "other"): 1}, wakeups); diff != "" || err != nil {
		t.Errorf("wake-ups, %v (-want +got):\n%s", err, diff)
	}
}

func TestNothingIsDeletedUnlessSomebodySaysYes(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put(t, o.destination("main"))
	no := errors.New("no")
	asked := ""
	p := admin.DeleteParams{SetParams: admin.SetParams{ID: o.destination("main").ID}, Confirm: func(q string) error { asked = q; return no }}
	if err := o.Delete(t.Context(), p); !errors.Is(err, no) || asked != "Delete acme.main? Type yes: " {
		t.Errorf("got %v, asked %q", err, asked)
	}
	if fresh, _ := o.Fresh(t.Context(), p.ID); fresh {
		t.Error("it is gone")
	}
	p.MoveTo = "main"
	if err := o.Delete(t.Context(), p); err == nil || !strings.Contains(err.Error(), "can't move to itself") {
		t.Errorf("got %v", err)
	}
	p.MoveTo = "nowhere"
	if err := o.Delete(t.Context(), p); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestOneConnectionOfManyEntriesIsTestedOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	loaded := &registry.Loaded{}
	for n := range 100 {
		loaded.Destinations = append(loaded.Destinations, o.destination(fmt.Sprintf("d%d", n)))
	}
	got, err := o.Apply(t.Context(), admin.ApplyParams{Loaded: loaded})
	if err != nil || got.Create != 100 || o.posthog.Count() != 1 {
		t.Errorf("%+v, %v, %d events", got, err, o.posthog.Count())
	}
	again, err := o.Apply(t.Context(), admin.ApplyParams{Loaded: loaded})
	if err != nil || again.Unchanged != 100 || again.Any() || o.posthog.Count() != 1 {
		t.Errorf("%+v, %v, %d events", again, err, o.posthog.Count())
	}
}

func TestATrailShowsNoCursorMovement(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if err := admin.Note(t.Context(), o.Trail, audit.Record{By: "ann", Action: audit.DeadDropped, Note: "a\x1b[2Jb"}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := admin.Audit(t.Context(), o.Trail, admin.AuditParams{Out: &out}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, "ann") {
		t.Errorf("got %q", text)
	}
}
