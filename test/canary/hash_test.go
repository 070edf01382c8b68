package canary_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

const hashKey = "phc_hash00000000000"

func hashing(key string) string {
	return "\n- {tenant: hash, api_key: " + hashKey + ", endpoint: 'URL', privacy: {user_hash_key: " + key + "}}\n"
}

// TestAHeldUserIsHashedOnce rotates the key while records are held: they keep
// the hash that they were stored with, and fresh ones get the new one.
func TestAHeldUserIsHashedOnce(t *testing.T) {
	t.Parallel()
	const first, second = "the first key of two", "the other key of two"
	w := newWorld(t)
	w.arm("hash")
	w.configure(t, hashing(first))
	eventually(t, "the destination", func() bool { return w.count("reload") > 1 })
	w.posthog.Always(sandbox.Match{APIKey: hashKey}, sandbox.Status(http.StatusServiceUnavailable))
	user := []string{`"user":"%[1]s"`}
	w.publish(t, "hash", records("hash", "held", user))
	w.acknowledged(t)
	if w.waiting(t, queue.StreamHeld, "hogcast.held.hash.>") != 1 {
		t.Fatal("nothing is held")
	}
	reloads := w.count("reload")
	w.configure(t, hashing(second))
	eventually(t, "the other key", func() bool { return w.count("reload") > reloads })
	w.posthog.Clear(sandbox.Match{APIKey: hashKey})
	w.publish(t, "hash", records("hash", "fresh", user))
	w.acknowledged(t)
	eventually(t, "both events", func() bool { return w.posthog.Count() == 2 })
	got := map[string]bool{}
	for _, e := range w.posthog.Taken() {
		got[e.DistinctID] = true
	}
	for _, key := range []string{first, second} {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(address("hash")))
		if want := hex.EncodeToString(mac.Sum(nil)); !got[want] {
			t.Errorf("no event of %s, the user's hash under %q: %v", want, key, got)
		}
	}
}
