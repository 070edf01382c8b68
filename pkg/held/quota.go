package held

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/queue"
)

// TenantShare is the part of the held stream's bytes, in percent, that one
// tenant may fill.
const TenantShare = 20

// Quota bounds the bytes that are held for a tenant. The server counts messages
// by subject, not bytes: what a tenant has is estimated from its count and the
// usual size of its records, and what this worker parks is added, once for each
// worker that lives. The count is that of the last sweep; before a branch is
// refused the server is asked anew.
type Quota struct {
	log     *zap.Logger
	workers func() int

	mu      sync.Mutex
	limit   int64 // bytes; 0: none
	tenants map[string]*holding
}

// holding is what is known of one tenant.
type holding struct {
	bytes   int64     // as of the last count
	since   int64     // parked by this worker after it
	usual   float64   // bytes of a record; 0: not known
	counted time.Time // when it was counted for a branch that would have been refused
	full    bool      // told
}

// countEvery is between two counts for a tenant whose share is used up.
const countEvery = time.Second

// NewQuota makes a quota that knows no limit yet. workers is how many live.
func NewQuota(workers func() int, log *zap.Logger) *Quota {
	if log == nil {
		log = zap.NewNop()
	}
	return &Quota{log: log.Named("held"), workers: workers, tenants: make(map[string]*holding)}
}

// take counts a branch that is to be parked; the error is queue.ErrQueueFull
// where its tenant has no room.
func (q *Quota) take(tenant string, size int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.of(tenant)
	if q.limit > 0 && h.bytes+h.since*int64(q.workers())+int64(size) > q.limit {
		return fmt.Errorf("%w: the tenant holds %d %% of the stream's bytes", queue.ErrQueueFull, TenantShare)
	}
	h.since += int64(size)
	if h.usual == 0 {
		h.usual = float64(size)
	}
	h.usual += (float64(size) - h.usual) / 32
	return nil
}

func (q *Quota) of(tenant string) *holding {
	h := q.tenants[tenant]
	if h == nil {
		h = &holding{}
		q.tenants[tenant] = h
	}
	return h
}

// doubtful reports whether a refusal is to be checked: it may be due to nothing
// but what others are thought to have parked, or to what is gone since.
func (q *Quota) doubtful(tenant string, size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.of(tenant)
	return h.bytes+h.since+int64(size) <= q.limit || time.Since(h.counted) > countEvery
}

// recounted takes over how many branches of a tenant are held now.
func (q *Quota) recounted(tenant string, n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.of(tenant)
	h.bytes, h.since, h.counted = int64(float64(n)*h.usual), 0, time.Now()
}

// refused tells, once, that a tenant's share is used up.
func (q *Quota) refused(tenant string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if h := q.of(tenant); !h.full {
		h.full = true
		q.log.Error("a tenant's share of the held stream is used up; what finds no room becomes dead letters, held_full",
			zap.String("tenant", tenant), zap.Int64("bytes", q.limit))
	}
}

// giveBack takes back what was counted for a branch that was not stored.
func (q *Quota) giveBack(tenant string, size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if h := q.tenants[tenant]; h != nil {
		h.since = max(h.since-int64(size), 0)
	}
}

// swept takes over the counts of a sweep; usual is the size of a message over
// the whole stream.
func (q *Quota) swept(limit int64, counts map[string]uint64, usual float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = max(limit, 0) / 100 * TenantShare
	for tenant, h := range q.tenants {
		if counts[tenant] == 0 && h.since == 0 {
			delete(q.tenants, tenant)
			continue
		}
		h.bytes, h.since = 0, 0
	}
	for tenant, n := range counts {
		h := q.of(tenant)
		if h.usual == 0 {
			h.usual = usual
		}
		h.bytes = int64(float64(n) * h.usual)
		h.full = h.full && h.bytes >= q.limit/10*9
	}
}
