package replay_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/replay"
	"github.com/hogcast/hogcast/test/natstest"
)

// background is a slow job that runs in the background.
type background struct {
	id     string
	cancel context.CancelFunc
	ended  chan replay.Job
	failed chan error
}

func (w *world) background(t *testing.T, spec replay.Spec) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b := &background{cancel: cancel, ended: make(chan replay.Job, 1), failed: make(chan error, 1)}
	started := make(chan string, 1)
	runner := w.runner("background", func(p *replay.Params) { p.Started = func(j replay.Job) { started <- j.ID } })
	done := make(chan struct{})
	go func() {
		defer close(done)
		job, err := runner.Start(ctx, spec)
		b.ended <- job
		b.failed <- err
	}()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case b.id = <-started:
	case <-time.After(patience):
		t.Fatal("it never started")
	}
	return b
}

func (b *background) end(t *testing.T) (replay.Job, error) {
	t.Helper()
	select {
	case job := <-b.ended:
		return job, <-b.failed
	case <-time.After(patience):
		t.Fatal("it never ended")
		panic("unreachable")
	}
}

// slow is a rate at which no test sees an end.
const slow = 0.5

func TestARunningJobIsPausedResumedAndCancelledFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t).patient()
	w.buryMany(t, 50, "main")
	b := w.background(t, replay.Spec{Rate: slow})
	if _, err := w.runner("other").Resume(t.Context(), b.id); !errors.Is(err, replay.ErrBusy) {
		t.Errorf("a running job was taken over: %v", err)
	}
	job, err := w.jobs.Ask(t.Context(), b.id, replay.Pause)
	if err != nil || job.State != replay.Paused {
		t.Fatalf("%v: %+v", err, job)
	}
	if job, err := b.end(t); err != nil || job.State != replay.Paused {
		t.Errorf("the runner: %v, %+v", err, job)
	}
	if job, err = w.jobs.Ask(t.Context(), b.id, replay.Pause); err != nil || job.State != replay.Paused {
		t.Errorf("paused twice: %v", err)
	}
	if job, err = w.jobs.Ask(t.Context(), b.id, replay.Cancel); err != nil || job.State != replay.Cancelled {
		t.Errorf("cancelled: %v, %+v", err, job)
	}
	if _, err := w.jobs.Ask(t.Context(), b.id, replay.Pause); !errors.Is(err, replay.ErrOver) {
		t.Errorf("paused when it was over: %v", err)
	}
	if _, err := w.runner("other").Resume(t.Context(), b.id); !errors.Is(err, replay.ErrOver) {
		t.Errorf("resumed when it was over: %v", err)
	}
	if _, err := w.jobs.Get(t.Context(), "nonesuch"); !errors.Is(err, replay.ErrNoJob) {
		t.Errorf("no job: %v", err)
	}
	if _, err := w.jobs.Get(t.Context(), "_replays"); !errors.Is(err, replay.ErrNoJob) {
		t.Errorf("the claims are no job: %v", err)
	}
}

func TestOneJobRunsOverALetterAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t).patient()
	w.buryMany(t, 50, "main")
	w.as("beta").buryMany(t, 5, "main")
	b := w.background(t, replay.Spec{Filter: deadletter.Filter{Tenant: "acme"}, Rate: slow})
	_, err := w.runner("second").Start(t.Context(), replay.Spec{Filter: deadletter.Filter{Reason: "dropped"}})
	if !errors.Is(err, replay.ErrBusy) || !strings.Contains(err.Error(), b.id) || !strings.Contains(err.Error(), "--tenant acme") {
		t.Errorf("an overlapping job: %v", err)
	}
	start(t, w.runner("third"), replay.Spec{Filter: deadletter.Filter{Tenant: "beta"}})
	if jobs, err := w.jobs.List(t.Context()); err != nil || len(jobs) != 2 {
		t.Errorf("%v: the refused job was left behind: %+v", err, jobs)
	}
	b.cancel()
	if job, err := b.end(t); err != nil || job.State != replay.Paused {
		t.Fatalf("%v: %+v", err, job)
	}
	start(t, w.runner("fourth"), replay.Spec{Filter: deadletter.Filter{Reason: "dropped"}})
	if job, err := w.runner("fifth").Resume(t.Context(), b.id); err != nil || job.State != replay.Done {
		t.Errorf("%v: %+v", err, job)
	}
	differ(t, "held", lines("main g", 50), w.held(t))
}

func TestAPausedJobWaitsForOneThatHasItsLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t).patient()
	w.buryMany(t, 50, "main")
	first := w.background(t, replay.Spec{Rate: slow})
	first.cancel()
	if _, err := first.end(t); err != nil {
		t.Fatal(err)
	}
	second := w.background(t, replay.Spec{Rate: slow})
	if _, err := w.runner("third").Resume(t.Context(), first.id); !errors.Is(err, replay.ErrBusy) || !strings.Contains(err.Error(), second.id) {
		t.Errorf("resumed beside another: %v", err)
	}
	if job, err := w.jobs.Get(t.Context(), first.id); err != nil || job.State != replay.Paused {
		t.Errorf("%v: it is %s", err, job.State)
	}
}

func TestOfManyThatStartAtOnceOneRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t).patient()
	w.buryMany(t, 200, "main")
	errs := make(chan error, 8)
	var starting sync.WaitGroup
	for range cap(errs) {
		starting.Go(func() {
			_, err := w.runner("one of many").Start(t.Context(), replay.Spec{Rate: 400})
			errs <- err
		})
	}
	starting.Wait()
	close(errs)
	ran := 0
	for err := range errs {
		switch {
		case err == nil:
			ran++
		case !errors.Is(err, replay.ErrBusy) && !errors.Is(err, replay.ErrNothing):
			t.Error(err)
		}
	}
	if ran != 1 {
		t.Errorf("%d of them ran", ran)
	}
	differ(t, "held", lines("main g", 200), w.held(t))
}

func TestARunnerThatLostItsJobStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buryMany(t, 50, "main")
	ctx, dead := w.die(t, "after publish", 5)
	if _, err := dead.Start(ctx, replay.Spec{}); err == nil {
		t.Fatal("it should have died")
	}
	jobs, err := w.jobs.List(t.Context())
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%v: %+v", err, jobs)
	}
	natstest.Eventually(t, "it is stalled", func() bool { return jobs[0].Stalled(time.Now(), lease) })
	_, err = w.runner("second").Start(t.Context(), replay.Spec{})
	if !errors.Is(err, replay.ErrBusy) || !strings.Contains(err.Error(), "hogcast replay resume "+jobs[0].ID) {
		t.Errorf("beside a stalled job: %v", err)
	}
	var out bytes.Buffer
	if err := replay.WriteJob(&out, jobs[0], time.Now(), lease); err != nil || !strings.Contains(out.String(), "stalled") ||
		!strings.Contains(out.String(), "hogcast replay resume") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	if job, err := w.jobs.Ask(t.Context(), jobs[0].ID, replay.Pause); err != nil || job.State != replay.Paused {
		t.Errorf("a stalled job was not paused: %v, %+v", err, job)
	}
	start(t, w.runner("third"), replay.Spec{}) // nothing is in its way any more
}

func TestARunnerWhoseJobWasTakenOverStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t).patient()
	w.buryMany(t, 50, "main")
	b := w.background(t, replay.Spec{Rate: slow})
	entry, err := w.bucket.Get(t.Context(), b.id)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.ReplaceAll(entry.Value, []byte(`"runner":"background"`), []byte(`"runner":"another"`))
	natstest.Eventually(t, "the job is written", func() bool {
		if entry, err = w.bucket.Get(t.Context(), b.id); err != nil {
			t.Fatal(err)
		}
		_, err = w.bucket.Put(t.Context(), b.id, other, entry.Revision)
		return err == nil
	})
	if _, err := b.end(t); !errors.Is(err, replay.ErrTaken) {
		t.Errorf("it went on: %v", err)
	}
	if job, err := w.jobs.Get(t.Context(), b.id); err != nil || job.Runner != "another" || job.State != replay.Running {
		t.Errorf("%v: it wrote over the other's job: %+v", err, job)
	}
}

func TestJobsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t).patient()
	var ids []string
	for i := range 3 {
		w.bury(t, w.letter(i, "main", outcome.Dropped))
		ids = append([]string{start(t, w.runner("a"), replay.Spec{}).ID}, ids...)
	}
	jobs, err := w.jobs.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range jobs {
		got = append(got, j.ID)
	}
	differ(t, "ids", ids, got)
	var out bytes.Buffer
	if err := replay.WriteJobs(&out, jobs, time.Now(), lease); err != nil || strings.Count(out.String(), "done") != 3 {
		t.Errorf("%v:\n%s", err, out.String())
	}
}
