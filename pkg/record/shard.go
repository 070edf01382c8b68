package record

import "hash/fnv"

// Shard is the partition of a tenant's records where they are spread over that
// many streams: FNV-1a, 32 bits, of the tenant's name, modulo their number. It
// is what nats-server's mapping function partition(shards,1) makes of
// `hogcast.generations.<tenant>`, and must never change: publishers of any
// version and language share it. 0 for fewer than two shards.
func Shard(tenant string, shards int) int {
	if shards < 2 {
		return 0
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(tenant))
	return int(hash.Sum32() % uint32(shards)) //nolint:gosec // a few dozen at most
}
