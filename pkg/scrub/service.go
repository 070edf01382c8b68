package scrub

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Registry tells which destinations are in force.
type Registry interface{ Current() *destination.Set }

// Params of a service; all but Logger and the times are required.
type Params struct {
	Conn     *queue.Conn
	Registry Registry
	Letters  *deadletter.Writer
	Worker   string // this worker's id
	// Speaks reports whether this worker, of all that live, looks for what nobody
	// has asked for yet; nil: it does.
	Speaks func() bool
	// Settle is how long after a change branches may still be stored under the
	// rules of before, somewhere in the fleet; default 10 s.
	Settle time.Duration
	// Look is how often the service looks for what there is to do; default 5 s.
	Look   time.Duration
	Logger *zap.Logger
}

// Service scrubs when rules become stricter, and when somebody asks for it. Of
// all workers one does each job.
type Service struct {
	Params
	log     *zap.Logger
	changes chan []change
}

// change is a destination that has changed, with the names of its rules at that
// moment; nil: none.
type change struct {
	id    destination.ID
	rules []string
}

// New makes a service; Run does the work.
func New(p Params) *Service {
	if p.Settle == 0 {
		p.Settle = 10 * time.Second
	}
	if p.Look == 0 {
		p.Look = 5 * time.Second
	}
	if p.Speaks == nil {
		p.Speaks = func() bool { return true }
	}
	if p.Logger == nil {
		p.Logger = zap.NewNop()
	}
	return &Service{Params: p, log: p.Logger.Named("scrub"), changes: make(chan []change, 64)}
}

// Changed tells of destinations that have changed; what they are now is read
// before it returns. It never blocks: what finds no room is found when the
// service looks at all of them.
func (s *Service) Changed(ids []destination.ID) {
	now := s.Registry.Current()
	all := make([]change, len(ids))
	for i, id := range ids {
		all[i] = change{id, privacy.Names(now.Get(id))}
	}
	select {
	case s.changes <- all:
	default:
	}
}

const (
	// everyLooks: so often, among the looks for jobs, all that is stored is looked
	// at, lest a change that nobody was there to see be missed.
	everyLooks = 60
	// helpLooks: so often, among these, a worker looks for jobs that does not
	// speak for the fleet, to help where there are many.
	helpLooks = 12
)

// Run does what there is to do until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(s.Look)
	defer tick.Stop()
	var r rounds
	for {
		if err := s.round(ctx, &r, time.Now()); err != nil && ctx.Err() == nil {
			s.log.Warn("scrubbing failed; trying again", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case all := <-s.changes:
			r.changed = append(r.changed, all...)
		}
	}
}

// rounds are what the next round has to do.
type rounds struct {
	changed []change
	later   recheck
	all     time.Time // when all that is stored is looked at next
	jobs    time.Time // when jobs are looked for next, by one who does not speak
	begun   bool      // jobs were held against what is in force
}

// round does what is due. Of the fleet one looks at what is stored; whoever
// comes to speak after it begins with all of it.
func (s *Service) round(ctx context.Context, r *rounds, now time.Time) error {
	ids := make([]destination.ID, len(r.changed))
	for i, c := range r.changed {
		ids[i] = c.id
		if c.id.Tenant == destination.AnyTenant { // which stands for many
			r.begun, r.all = false, time.Time{}
		}
	}
	failed := s.outdate(ctx, r)
	if !s.Speaks() {
		r.all, r.later = time.Time{}, nil
		if now.Before(r.jobs) {
			return failed
		}
		r.jobs = now.Add(helpLooks * s.Look)
		return errors.Join(failed, s.runDue(ctx))
	}
	if len(ids) > 0 {
		r.later.add(ids, now.Add(s.Settle))
	}
	if err := s.want(ctx, append(r.later.due(now), ids...)); err != nil {
		r.all, failed = time.Time{}, errors.Join(failed, err)
	}
	return errors.Join(failed, s.lookAtAll(ctx, r, now), s.runDue(ctx))
}

// lookAtAll asks for what is missing, when it is time; the first time soon again,
// since something may have been stored under the rules of before.
func (s *Service) lookAtAll(ctx context.Context, r *rounds, now time.Time) error {
	if now.Before(r.all) {
		return nil
	}
	if err := errors.Join(s.outdateAll(ctx), s.wantAll(ctx)); err != nil {
		return err
	}
	next := everyLooks * s.Look
	if r.all.IsZero() {
		next = min(next, s.Settle)
	}
	r.all = now.Add(next)
	return nil
}

// recheck are destinations to be looked at again: something may have been stored
// under the rules of before, a moment after they changed.
type recheck []struct {
	ids []destination.ID
	at  time.Time
}

func (r *recheck) add(ids []destination.ID, at time.Time) {
	*r = append(*r, struct {
		ids []destination.ID
		at  time.Time
	}{ids, at})
}

func (r *recheck) due(now time.Time) (ids []destination.ID) {
	for len(*r) > 0 && !now.Before((*r)[0].at) {
		ids = append(ids, (*r)[0].ids...)
		*r = (*r)[1:]
	}
	return ids
}

// wantAll asks for the scrub of every private destination of which something is
// stored.
func (s *Service) wantAll(ctx context.Context) error {
	stored, err := s.stored(ctx)
	if err != nil {
		return err
	}
	all := s.Registry.Current()
	var ids []destination.ID
	for id := range stored {
		if id.Name != "" {
			ids = append(ids, id)
			continue
		}
		for _, d := range all.Of(id.Tenant) { // it stands for each
			ids = append(ids, d.ID)
		}
	}
	return s.wantThese(ctx, ids)
}

// stored tells of which destinations something is held or dead. Without a name
// it stands for none of a tenant's.
func (s *Service) stored(ctx context.Context) (map[destination.ID]bool, error) {
	of := make(map[destination.ID]bool)
	for _, stream := range []string{queue.StreamHeld, queue.StreamHeldHosts, queue.StreamDead} {
		subjects, err := s.Conn.CountBySubject(ctx, stream, ">")
		if err != nil {
			return nil, err
		}
		for subject := range subjects {
			tenant, name, _, ok := queue.ParseDeadSubject(subject)
			if !ok {
				_, tenant, name, _ = queue.ParseHeldSubject(subject)
			}
			if name == queue.NoToken {
				name = ""
			}
			of[destination.ID{Tenant: tenant, Name: name}] = true
		}
	}
	return of, nil
}

// fewChanges are asked about one by one; of more, all that is stored is.
const fewChanges = 20

// want asks for the scrub of those that are private, and of which something is
// stored.
func (s *Service) want(ctx context.Context, ids []destination.ID) error {
	all := s.Registry.Current()
	ids = slices.DeleteFunc(slices.Clone(ids), func(id destination.ID) bool {
		d := all.Get(id)
		return !private(d)
	})
	if len(ids) > fewChanges {
		return s.wantAll(ctx)
	}
	var some []destination.ID
	for _, id := range ids {
		n, err := s.count(ctx, id)
		if err != nil {
			return err
		}
		if n > 0 {
			some = append(some, id)
		}
	}
	return s.wantThese(ctx, some)
}

// count is how much is stored of a destination.
func (s *Service) count(ctx context.Context, id destination.ID) (n uint64, err error) {
	for _, p := range placesOf(id) {
		subjects, err := s.Conn.CountBySubject(ctx, p.stream, p.filter)
		if err != nil {
			return 0, err
		}
		for _, count := range subjects {
			n += count
		}
	}
	return n, nil
}

// jobs are the fleet's.
func (s *Service) jobs(ctx context.Context) (*Jobs, error) {
	bucket, err := s.Conn.Bucket(ctx, queue.BucketJobs)
	if err != nil {
		return nil, err
	}
	return NewJobs(bucket), nil
}

// wantThese puts in a job for each that has rules which no job has brought into
// force.
func (s *Service) wantThese(ctx context.Context, ids []destination.ID) error {
	if len(ids) == 0 {
		return nil
	}
	jobs, err := s.jobs(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.wantOne(ctx, jobs, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) wantOne(ctx context.Context, jobs *Jobs, id destination.ID) error {
	d := s.Registry.Current().Get(id)
	if !private(d) {
		return nil
	}
	rules := privacy.Names(d)
	have, revision, err := jobs.Get(ctx, id)
	switch {
	case err == nil && slices.Equal(have.Rules, rules):
		return nil
	case err != nil && !errors.Is(err, ErrNoJob):
		return err
	}
	job := Job{Tenant: id.Tenant, Destination: id.Name, Rules: rules, State: Wanted, Created: time.Now()}
	if _, err := jobs.put(ctx, &job, revision); err != nil && !errors.Is(err, queue.ErrConflict) {
		return err
	}
	return nil
}

// private reports whether a destination has rules that what is stored of it has
// to pass. Those of an entry that can't be read are a guess, which must cost
// nothing that is stored.
func private(d *destination.Destination) bool {
	return d != nil && d.Private() && !d.EntryUnreadable
}

// known are a tenant's destinations whose rules are known.
func (s *Service) known(tenant string) []*destination.Destination {
	return slices.DeleteFunc(slices.Clone(s.Registry.Current().Of(tenant)), func(d *destination.Destination) bool { return d.EntryUnreadable })
}

// runDue runs the jobs that nobody runs.
func (s *Service) runDue(ctx context.Context) error {
	jobs, err := s.jobs(ctx)
	if err != nil {
		return err
	}
	all, err := jobs.List(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, job := range all {
		switch {
		case ctx.Err() != nil:
			return nil
		case job.due(time.Now()):
			failed = append(failed, s.runOne(ctx, jobs, job.Of()))
		case s.forgotten(&job):
			failed = append(failed, jobs.bucket.Delete(ctx, job.ID(), 0))
		}
	}
	return errors.Join(failed...)
}

// keepJob is how long a job is kept for people whose destination is gone.
const keepJob = 24 * time.Hour

func (s *Service) forgotten(j *Job) bool {
	return !j.Ended.IsZero() && time.Since(j.Ended) > keepJob && s.Registry.Current().Get(j.Of()) == nil
}
