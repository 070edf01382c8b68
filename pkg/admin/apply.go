package admin

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/posthog"
	"github.com/hogcast/hogcast/pkg/registry"
)

// ApplyParams say what is to be in the bucket.
type ApplyParams struct {
	Loaded *registry.Loaded // secrets may be masked, and keys left out: unchanged
	Tenant string           // only this one's; "": all
	Prune  bool             // delete what is not in it
	DryRun bool             // change nothing
	Test   bool             // test even in a dry run
	NoTest bool             // save without tests, which the audit trail tells
	JSON   bool             // a line for each
	// Confirm is asked before anything is deleted.
	Confirm Confirm
}

// Applied is what is to become, or has become, of one entry.
type Applied struct {
	Tenant      string                  `json:"tenant"`
	Destination string                  `json:"destination"`
	Action      string                  `json:"action"` // create, update, delete, unchanged or bad
	Result      string                  `json:"result"` // planned, done, failed, undecided or unchanged
	Revision    uint64                  `json:"revision,omitempty"`
	Changes     []SettingChange         `json:"changes,omitempty"`
	Error       string                  `json:"error,omitempty"`
	Held        uint64                  `json:"held,omitempty"` // of one that is deleted
	Test        *posthog.ConnectionTest `json:"test,omitempty"`

	id    destination.ID // zero: of an entry that can't be read
	now   *registry.Stored
	whole *destination.Destination
	tests bool // its connection is another
}

// The actions and results.
const (
	actCreate    = "create"
	actUpdate    = "update"
	actDelete    = "delete"
	actUnchanged = "unchanged"
	actBad       = "bad"

	resPlanned   = "planned"
	resDone      = "done"
	resFailed    = "failed"
	resUndecided = "undecided"
	resUnchanged = "unchanged"
)

// Differences counts what differs, and what has failed.
type Differences struct{ Create, Update, Delete, Unchanged, Failed int }

// Any reports whether anything differs.
func (d Differences) Any() bool { return d.Create+d.Update+d.Delete > 0 }

// Apply makes the bucket hold what was loaded: it shows the differences, tests
// what is new or has another key or endpoint, and saves each entry that passed,
// whatever becomes of the others. The error is ErrSome where one has failed.
func (d *Destinations) Apply(ctx context.Context, p ApplyParams) (Differences, error) {
	if p.Tenant != "" {
		p.Loaded = p.Loaded.Of(p.Tenant)
	}
	a := &applying{d: d, p: p, tests: map[string]*sharedTest{}}
	if err := a.plan(ctx); err != nil {
		return Differences{}, err
	}
	if err := a.writePlan(); err != nil {
		return Differences{}, err
	}
	if !p.DryRun || p.Test {
		if err := a.confirm(); err != nil {
			return Differences{}, err
		}
		a.do(ctx)
	}
	counts := a.counts()
	if err := a.end(counts); err != nil {
		return counts, err
	}
	if counts.Failed > 0 {
		return counts, ErrSome
	}
	return counts, nil
}

type applying struct {
	d   *Destinations
	p   ApplyParams
	all []*Applied

	mu    sync.Mutex
	tests map[string]*sharedTest // by what a test depends on
}

const (
	plansAtOnce = 16
	// doneAtOnce bounds the tests, of five requests each, and the writes.
	doneAtOnce = 8
)

func (a *applying) confirm() error {
	doomed, held := 0, uint64(0)
	for _, one := range a.all {
		if one.Action == actDelete {
			doomed++
			held += one.Held
		}
	}
	if doomed == 0 || a.p.DryRun {
		return nil
	}
	return a.p.Confirm.Ask("Delete %s, for which %s? Type yes: ", plural(doomed, "destination"), heldWords(held))
}

func heldWords(n uint64) string {
	if n == 0 {
		return "nothing is held"
	}
	return branches(n) + " become dead letters"
}

// do tests and saves, several at once, and tells of each when it is done.
func (a *applying) do(ctx context.Context) {
	var doing errgroup.Group
	doing.SetLimit(doneAtOnce)
	for _, one := range a.all {
		if one.Result != resPlanned {
			continue
		}
		doing.Go(func() error {
			a.doOne(ctx, one)
			a.tell(one)
			return nil
		})
	}
	_ = doing.Wait() // the goroutines return nothing but nil
}

func (a *applying) doOne(ctx context.Context, one *Applied) {
	if ctx.Err() != nil {
		one.fail(fmt.Errorf("not tried: %w", context.Cause(ctx)))
		return
	}
	if one.Action == actDelete {
		a.delete(ctx, one)
		return
	}
	if one.tests && !a.p.NoTest {
		one.Test = a.test(ctx, one.whole)
		if err := testError(one.Test.Result); err != nil {
			one.Result, one.Error = string(one.Test.Result), "not saved: "+err.Error()
			return
		}
	}
	if a.p.DryRun {
		return
	}
	put := registry.Put{Destination: one.whole, Expect: revisionOf(one.now, nil), By: a.d.By}
	if one.tests && a.p.NoTest {
		put.Note = noTestNote
	}
	saved, err := a.d.Store.Put(ctx, put)
	if err = a.settled(err); err != nil {
		one.fail(err)
		return
	}
	one.Result, one.Revision = resDone, saved.Revision
}

func (a *applying) settled(err error) error {
	a.mu.Lock() // warnings go to one place
	defer a.mu.Unlock()
	return a.d.settled(err)
}

func (a *applying) delete(ctx context.Context, one *Applied) {
	if a.p.DryRun {
		return
	}
	note := "not in what was applied; " + fateNote(DeleteParams{}, one.Held)
	err := a.settled(a.d.Store.Delete(ctx, registry.Delete{ID: one.id, Expect: one.now.Revision, By: a.d.By, Note: note}))
	if err != nil {
		one.fail(err)
		return
	}
	one.Result = resDone
	if err := a.d.after(ctx, one.id); err != nil {
		one.Error = "deleted; but: " + err.Error()
	}
}

// after sees to what is left of a destination that is deleted.
func (d *Destinations) after(ctx context.Context, id destination.ID) error {
	left, err := d.held(ctx, id)
	switch {
	case err != nil:
		return err
	case left == 0:
		return d.forget(ctx, id)
	}
	return d.rouse(ctx, id)
}

// sharedTest is one test of all the entries that have one connection.
type sharedTest struct {
	once sync.Once
	test *posthog.ConnectionTest
}

func (a *applying) test(ctx context.Context, dest *destination.Destination) *posthog.ConnectionTest {
	a.mu.Lock()
	key := connectionOf(dest)
	shared := a.tests[key]
	if shared == nil {
		shared = &sharedTest{}
		a.tests[key] = shared
	}
	a.mu.Unlock()
	shared.once.Do(func() { shared.test = a.d.Tester.TestConnection(ctx, dest) })
	own := *shared.test
	own.Tenant, own.Destination = dest.Tenant, dest.Name
	return &own
}

func (a *applying) counts() (n Differences) {
	for _, one := range a.all {
		switch {
		case one.Result == resFailed || one.Result == resUndecided:
			n.Failed++
		case one.Action == actCreate:
			n.Create++
		case one.Action == actUpdate:
			n.Update++
		case one.Action == actDelete:
			n.Delete++
		default:
			n.Unchanged++
		}
	}
	return n
}
