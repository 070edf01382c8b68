package canary_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

// TestNothingLeaksWhileAHostIsDownForMany fills the stream of hosts.
func TestNothingLeaksWhileAHostIsDownForMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var tenants []string
	var entries strings.Builder
	for c := 'a'; c <= 'z'; c++ {
		tenant := "crowd" + string(c)
		tenants = append(tenants, tenant)
		fmt.Fprintf(&entries, "- {tenant: %s, api_key: phc_%s0000000000, endpoint: 'URL', privacy: {redact: [email]}}\n", tenant, tenant)
	}
	w.arm(tenants...)
	w.configure(t, entries.String())
	eventually(t, "the destinations", func() bool { return w.count("reload") > 1 })
	w.posthog.Always(sandbox.Match{}, sandbox.Body(http.StatusServiceUnavailable, "text/plain", "can't store "+address("crowda")))
	for i := 0; w.waiting(t, queue.StreamHeldHosts, ">") == 0; i++ {
		if i == 20 {
			t.Fatal("nothing is held for the host")
		}
		for _, tenant := range tenants {
			w.publish(t, tenant, records(tenant, fmt.Sprint("h", i), content[:1], metadata[:1]))
		}
		w.acknowledged(t)
	}
	w.stored(t, time.Time{})
	w.posthog.Clear(sandbox.Match{})
	// Fresh records are probes, which may pass soon; what is held follows.
	for _, tenant := range tenants {
		w.publish(t, tenant, records(tenant, "fresh", content[:1]))
	}
	eventually(t, "events", func() bool { return w.posthog.Count() > 0 })
	w.metrics(t)
}
