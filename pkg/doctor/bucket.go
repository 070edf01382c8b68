package doctor

import "fmt"

var bucketChecks = []check{
	of("bucket_exists", func(_ Snapshot, b Bucket) verdict {
		return exists(thing{"bucket " + b.Name, "STREAM.INFO.KV_" + b.Name, "workers don't start, and what those that run share there is gone"}, b.Answer, b.Detail)
	}),
	bucket("bucket_replicas", func(s Snapshot, b Bucket) verdict { return replicas(s, b.Replicas) }),
	bucket("bucket_leader", func(_ Snapshot, b Bucket) verdict { return leader(b.Clustered, b.Leader, "KV_"+b.Name) }),
	bucket("bucket_peers", func(_ Snapshot, b Bucket) verdict { return peers(b.Peers, "KV_"+b.Name) }),
	bucket("bucket_storage", func(_ Snapshot, b Bucket) verdict {
		return orNot(b.Memory, trouble{
			"is kept in memory", "a restart of the server loses it", "export what it holds, then nats kv del " + b.Name + " && hogcast setup",
		}, "on disk")
	}),
	bucket("bucket_history", func(_ Snapshot, b Bucket) verdict {
		return inDoubt(b.History < b.WantHistory, trouble{
			fmt.Sprintf("keeps %d versions of a key, not %d", b.History, b.WantHistory), "what was there before a change can't be looked up", "hogcast setup",
		}, plural(b.History, "version"))
	}),
	bucket("bucket_ttl", func(_ Snapshot, b Bucket) verdict {
		why := "what is in it is forgotten"
		if b.WantTTL > 0 {
			why = "workers that are gone are counted as alive, or living ones not"
		}
		return orNot(b.TTL != b.WantTTL, trouble{
			fmt.Sprintf("forgets keys after %s, not %s", forever(b.TTL), forever(b.WantTTL)), why, "hogcast setup",
		}, "forgets after "+forever(b.TTL))
	}),
	bucket("bucket_keys", func(_ Snapshot, b Bucket) verdict { return noted(plural(b.Keys, "key")) }),
}

// bucket makes a check of a bucket that is there.
func bucket(name string, look func(Snapshot, Bucket) verdict) check {
	return of(name, func(s Snapshot, b Bucket) verdict {
		if b.Answer != Here {
			return verdict{}
		}
		return look(s, b)
	})
}
