package held_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/queue"
)

// One worker of ten gets all of a tenant's records: what it parks is not taken
// for a tenth of what the tenant has.
func TestATenantMayUseAllOfItsShareWhicheverWorkerParks(t *testing.T) {
	t.Parallel()
	tn := newTown(t, func(p *queue.Params) { p.StorageBytes = 16 << 20 })
	quota := held.NewQuota(func() int { return 10 }, nil)
	w := tn.idle(t, "a", func(p *held.Params) { p.Quota = quota })
	if err := w.keeper.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	size, err := w.conn.StreamSize(t.Context(), queue.StreamHeld)
	if err != nil {
		t.Fatal(err)
	}
	const each = 32 << 10
	share := size.Limit / 100 * held.TenantShare / each
	parker, full := held.NewParker(w.conn, w.waker, quota), destinationOf("full").ID
	park := func(n uint64) error {
		b := branch(full, n)
		b.Envelope.Body = []byte(strings.Repeat("a", each-1024))
		return parker.Park(t.Context(), b)
	}
	var n uint64
	for err == nil {
		n++
		err = park(n)
	}
	if got := int64(n); !errors.Is(err, queue.ErrQueueFull) || got < share*8/10 || got > share*12/10 { //nolint:gosec // small
		t.Errorf("the %dth of about %d was refused: %v", got, share, err)
	}
	if err := parker.Park(t.Context(), branch(destinationOf("other").ID, 1)); err != nil {
		t.Errorf("another tenant: %v", err)
	}
}
