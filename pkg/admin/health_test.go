package admin_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

const downHost = "https://posthog.example.com"

// sick is a fleet one of whose hosts is down, with a cause of the guard.
func sick(t *testing.T, now time.Time) *queue.Conn {
	t.Helper()
	conn := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, conn, queue.DefaultParams())
	bucket, err := conn.Bucket(t.Context(), queue.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	token := queue.HostToken(downHost)
	long := func(s health.Status) health.Status {
		s.Since, s.LastProbe, s.Gap = now.Add(-time.Hour), now, 30*time.Second
		return s
	}
	own := long(health.Status{State: health.Open, Reason: "server_error", Code: 503, Host: token})
	own.LastProbe = now.Add(-time.Hour) // it is not probed by itself any more
	for key, s := range map[string]health.Status{
		"_host." + token: long(health.Status{State: health.Open, Reason: "timeout", Host: downHost}),
		"_guard.cause":   long(health.Status{State: health.Held, Reason: "guard", Detail: "dropped_by_server rejected"}),
		"acme.main":      own,
	} {
		value, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := bucket.Set(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{
		queue.HeldSubject("acme", "main"), queue.HeldHostSubject(token, "bolt", "main"),
		queue.HeldHostSubject(queue.GuardToken("dropped_by_server rejected"), "core", "main"), queue.HeldSubject("dome", "main"),
	} {
		if err := conn.Publish(t.Context(), queue.Message{Subject: subject, ID: subject, Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

func TestHealthTellsWhatADestinationWaitsForWithOthers(t *testing.T) {
	t.Parallel()
	now := time.Now()
	conn := sick(t, now)
	show := func(tenant string) []string {
		var out bytes.Buffer
		if err := admin.Health(t.Context(), conn, admin.HealthParams{Tenant: tenant, Now: now, Out: &out}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		for i, line := range lines {
			lines[i] = strings.Join(strings.Fields(line), " ")
		}
		return lines
	}
	const (
		title  = "TENANT DESTINATION STATE REASON SINCE NEXT PROBE HELD"
		again  = "each is tried again by itself; at once: hogcast destinations resume TENANT.DESTINATION"
		guards = "the poison guard holds what would be dead-lettered; once you know why: hogcast guard release --help"
	)
	for tenant, want := range map[string][]string{
		"acme": {title, "acme main open server_error (503), its whole host 1h0m0s ago in 30s 1", "0 workers alive", again},
		"bolt": {title, "bolt main open timeout, its whole host 1h0m0s ago in 30s 1", "0 workers alive", again},
		"core": {title, "core main healthy guard: dropped_by_server rejected 1h0m0s ago in 30s 1", "0 workers alive", guards},
		"dome": {title, "dome main healthy - - - 1", "0 workers alive"},
		"": {
			title,
			"- (every destination) held guard: dropped_by_server rejected 1h0m0s ago in 30s -",
			"- (host " + downHost + ") open timeout 1h0m0s ago in 30s -",
			"acme main open server_error (503), its whole host 1h0m0s ago in 30s 1",
			"bolt main open timeout, its whole host 1h0m0s ago in 30s 1",
			"core main healthy guard: dropped_by_server rejected 1h0m0s ago in 30s 1",
			"dome main healthy - - - 1", "0 workers alive", again, guards,
		},
	} {
		if diff := cmp.Diff(want, show(tenant)); diff != "" {
			t.Errorf("tenant %q (-want +got):\n%s", tenant, diff)
		}
	}
}
