package record_test

import (
	"testing"

	"github.com/hogcast/hogcast/pkg/record"
)

func TestATenantsShardNeverChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		tenant       string
		shards, want int
	}{
		{"acme", 0, 0},
		{"acme", 1, 0},
		{"acme", 2, 1},
		{"acme", 4, 3},
		{"acme", 64, 47},
		{"beta", 4, 3},
		{"", 4, 1},
		{"Tenant-1_x", 7, 3},
	} {
		if got := record.Shard(tt.tenant, tt.shards); got != tt.want {
			t.Errorf("%q of %d: got %d, want %d", tt.tenant, tt.shards, got, tt.want)
		}
	}
}
