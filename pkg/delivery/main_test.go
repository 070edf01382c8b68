package delivery_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// senderFunc is a Sender.
type senderFunc func(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict

func (f senderFunc) Send(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
	return f(ctx, to, batch)
}

var (
	accepted = outcome.Verdict{Action: outcome.Accept, Cause: outcome.OK, Status: 200}
	refused  = outcome.Verdict{Action: outcome.Split, Cause: outcome.BadRequest, Status: 400}
	tooLarge = outcome.Verdict{Action: outcome.Split, Cause: outcome.PayloadTooLarge, Status: 413}
	broken   = outcome.Verdict{Action: outcome.Retry, Cause: outcome.ServerError, Status: 503}
	timedOut = outcome.Verdict{Action: outcome.Retry, Cause: outcome.Timeout}
)

// all is one verdict for each event of a batch.
func all(batch []*event.Event, v outcome.Verdict) []outcome.Verdict {
	verdicts := make([]outcome.Verdict, len(batch))
	for i := range verdicts {
		verdicts[i] = v
	}
	return verdicts
}

// request is what a sender was asked.
type request struct {
	At    time.Time
	To    *destination.Destination
	UUIDs []string
}

// log keeps the requests and wraps a sender.
type log struct {
	mu       sync.Mutex
	requests []request
}

func (l *log) around(next senderFunc) senderFunc {
	return func(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
		r := request{At: time.Now(), To: to}
		for _, e := range batch {
			r.UUIDs = append(r.UUIDs, e.UUID)
		}
		l.mu.Lock()
		l.requests = append(l.requests, r)
		l.mu.Unlock()
		return next(ctx, to, batch)
	}
}

func (l *log) all() []request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]request(nil), l.requests...)
}

// inEach counts the requests that each uuid was in.
func (l *log) inEach() map[string]int {
	n := map[string]int{}
	for _, r := range l.all() {
		for _, uuid := range r.UUIDs {
			n[uuid]++
		}
	}
	return n
}

// ends keeps the results by name of the item.
type ends struct {
	mu      sync.Mutex
	results map[string][]delivery.Result
	at      map[string]time.Time
}

func newEnds() *ends {
	return &ends{results: map[string][]delivery.Result{}, at: map[string]time.Time{}}
}

func (e *ends) done(name string) func(delivery.Result) {
	return func(r delivery.Result) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.results[name] = append(e.results[name], r)
		e.at[name] = time.Now()
	}
}

// of is the one result of an item; it fails the test unless there is one.
func (e *ends) of(t *testing.T, name string) delivery.Result {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.results[name]); n != 1 {
		t.Fatalf("item %s: Done was called %d times, want 1", name, n)
	}
	return e.results[name][0]
}

// when is the time of an item's end; zero where it has not ended.
func (e *ends) when(name string) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at[name]
}

func (e *ends) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.results)
}

func newDispatcher(t *testing.T, c delivery.Config, s delivery.Sender) *delivery.Dispatcher {
	t.Helper()
	d, err := delivery.New(c, s)
	if err != nil {
		t.Fatal(err)
	}
	d.HaveProcessors()
	return d
}

func to(tenant string) *destination.Destination {
	return &destination.Destination{ID: destination.ID{Tenant: tenant, Name: "default"}, Enabled: true}
}

// item is an item whose uuid is its name, with 15 s to live.
func (e *ends) item(to *destination.Destination, name string) *delivery.Item {
	return &delivery.Item{
		To: to, Event: &event.Event{UUID: name, Name: event.Generation, DistinctID: "u", Properties: []byte(`{}`)},
		Deadline: time.Now().Add(15 * time.Second), Done: e.done(name),
	}
}

func name(i int) string { return fmt.Sprintf("item-%04d", i) }
