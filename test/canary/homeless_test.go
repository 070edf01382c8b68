package canary_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

// left counts what is held and dead, a canary of the tenant early in it.
func (w *world) left(t *testing.T) (n int) {
	t.Helper()
	for _, stream := range []string{queue.StreamHeld, queue.StreamHeldHosts, queue.StreamDead} {
		store, err := w.conn.Store(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		err = store.Scan(t.Context(), queue.ScanParams{Filter: ">"}, func(m queue.StoredMessage) error {
			encoding := append(slices.Clone(m.Header["Hogcast-Encoding"]), "")[0]
			for _, data := range [][]byte{[]byte(fmt.Sprint(m.Header)), m.Body, inflate(encoding, m.Body)} {
				if slices.Contains(canaries(data), "early") {
					n++
					break
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestWhatCameBeforeATenantWasPrivateDoesNotStay has records die before there is
// a destination, and be held while its rules are off for a while.
func TestWhatCameBeforeATenantWasPrivateDoesNotStay(t *testing.T) {
	t.Parallel()
	const key = "phc_early000000000"
	entry := func(rules string) string {
		return "\n- {tenant: early, api_key: " + key + ", endpoint: 'URL'" + rules + "}\n"
	}
	w := newWorld(t)
	change := func(entries string) {
		reloads := w.count("reload")
		w.configure(t, entries)
		eventually(t, "the destinations", func() bool { return w.count("reload") > reloads })
	}
	w.publish(t, "early", records("early", "homeless", content))
	w.publish(t, "early", unreadable("early", "homeless"))
	w.acknowledged(t)
	before := w.waiting(t, queue.StreamDead, "hogcast.dead.early._.>")
	if n := w.left(t); n == 0 || before == 0 {
		t.Fatalf("%d letters for no destination, of which %d show a canary", before, n)
	}
	change(entry(", privacy_mode: true"))
	eventually(t, "the scrub of what had no destination", func() bool { return w.left(t) == 0 })
	if after := w.waiting(t, queue.StreamDead, "hogcast.dead.early._.>"); after != before {
		t.Errorf("%d letters are left of %d", after, before)
	}

	change(entry(""))
	w.posthog.Always(sandbox.Match{APIKey: key}, sandbox.Status(http.StatusServiceUnavailable))
	w.publish(t, "early", records("early", "open", content))
	w.acknowledged(t)
	if w.left(t) == 0 {
		t.Fatal("nothing is held while the rules are off")
	}
	change(entry(", privacy_mode: true"))
	// A request that was made just before may still be on its way.
	changed := time.Now()
	eventually(t, "the rules in force", func() bool { return time.Since(changed) > time.Second })
	w.arm("early")
	eventually(t, "the scrub of what was held without rules", func() bool { return w.left(t) == 0 })
	w.posthog.Clear(sandbox.Match{APIKey: key})
	eventually(t, "the end of what is held", func() bool { return w.waiting(t, queue.StreamHeld, "hogcast.held.early.>") == 0 })
	w.metrics(t)
	w.stored(t, time.Time{})
}
