package pipeline

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// A record that comes again and again may be what kills the workers.
const (
	// aloneAfter deliveries a record is handled with nothing else in hand that
	// could be blamed for it, or that would have to come again with it.
	aloneAfter = 8
	// crashesAfter deliveries it is not looked at any more.
	crashesAfter = 20
)

// quarantine handles suspects one at a time, when all else that was begun is
// settled; what comes meanwhile waits. They are taken in no order, so that the
// innocent among them get away however often the guilty one kills the process.
type quarantine struct {
	handler *Handler

	mu       sync.Mutex
	settled  *sync.Cond // with mu: busy fell
	busy     int        // jobs and held branches under way
	suspects []*job
	waiting  []*job   // came while suspects were handled
	held     []func() // held branches that did
	running  bool
	stopping bool
	until    time.Time // no held suspect is tried before
	done     sync.WaitGroup
}

func (q *quarantine) init(h *Handler) {
	q.handler = h
	q.settled = sync.NewCond(&q.mu)
}

// takes takes over a suspect, or what has to wait for one; false: go on.
func (q *quarantine) takes(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.stopping:
		q.busy++
		go j.finish(branchInterrupted) // it calls left, which locks
	case j.message.NumDelivered >= crashesAfter:
		q.busy++
		q.handler.bury(j, q.handler.crasher(j))
	case j.message.NumDelivered >= aloneAfter:
		q.suspects = append(q.suspects, j)
		if !q.running {
			q.running = true
			q.done.Go(q.run)
		}
	case q.running:
		q.waiting = append(q.waiting, j)
	default:
		q.busy++
		return false
	}
	return true
}

// left is told of each settled job, and of each held branch.
func (q *quarantine) left() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy--
	q.settled.Broadcast()
}

// run handles suspects until there is none.
func (q *quarantine) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for q.busy > 0 {
			q.settled.Wait()
		}
		if q.stopping || len(q.suspects) == 0 {
			break
		}
		i := rand.N(len(q.suspects)) //nolint:gosec // any will do
		j := q.suspects[i]
		q.suspects[i] = q.suspects[len(q.suspects)-1]
		q.suspects = q.suspects[:len(q.suspects)-1]
		q.busy++
		q.unlocked(func() {
			q.handler.Logger.Warn("a record that has come often is handled alone",
				zap.Uint64("sequence", j.message.Sequence), zap.Uint64("deliveries", j.message.NumDelivered))
			q.handler.begin(j)
		})
	}
	q.resume()
}

// resume goes on with what waits. Call it with mu.
func (q *quarantine) resume() {
	jobs, held := append(q.waiting, q.suspects...), q.held //nolint:gocritic // both end here
	q.waiting, q.suspects, q.held, q.running = nil, nil, nil, false
	q.busy += len(jobs) + len(held)
	stopping := q.stopping
	q.unlocked(func() {
		for _, j := range jobs {
			if stopping {
				j.finish(branchInterrupted)
			} else {
				q.handler.begin(j)
			}
		}
		for _, begin := range held {
			begin()
		}
	})
}

func (q *quarantine) unlocked(do func()) {
	q.mu.Unlock()
	defer q.mu.Lock()
	do()
}

// Quiesce ends the handling of suspects: what waits is handed back, the one
// under way is finished, unless ctx ends before.
func (h *Handler) Quiesce(ctx context.Context) {
	h.alone.mu.Lock()
	h.alone.stopping = true
	h.alone.settled.Broadcast()
	h.alone.mu.Unlock()
	done := make(chan struct{})
	go func() { h.alone.done.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// crasher makes the letter of a record that is not looked at any more.
func (h *Handler) crasher(j *job) deadletter.Letter {
	l := j.letter(outcome.CrashesWorker, j.message.Data)
	l.Envelope.Detail = "delivered 20 times without an end: workers may have died of it"
	if h.Registry.Current().AnyPrivate(l.Tenant) {
		l.Envelope.Withhold()
	}
	return l
}
