package replay_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/replay"
	"github.com/hogcast/hogcast/test/natstest"
)

// start runs a job to its end, which must be Done.
func start(t *testing.T, r *replay.Runner, spec replay.Spec) replay.Job {
	t.Helper()
	job, err := r.Start(t.Context(), spec)
	if err != nil || job.State != replay.Done {
		t.Fatalf("%v: %+v", err, job)
	}
	return job
}

func differ(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestALetterStartsAnewWithItsRecordAndWhereItCameFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.letter(1, "main", outcome.TooLarge)
	l.Envelope.Rules = []string{"privacy_mode"}
	w.bury(t, l)
	job := start(t, w.runner("a"), replay.Spec{})
	held := w.heldMessages(t)
	if len(held) != 1 {
		t.Fatalf("%d messages are held", len(held))
	}
	got, err := envelope.Parse(held[0].Header, held[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	e := l.Envelope
	differ(t, "envelope", &envelope.Envelope{
		Source: envelope.Source{Stream: e.Source.Stream, Sequence: 1, Time: e.Source.Time.UTC().Truncate(1)},
		MsgID:  e.MsgID, RecordID: e.RecordID, Rules: e.Rules, Traceparent: e.Traceparent, Body: e.Body,
	}, got)
	differ(t, "message id", job.ID+"/1/main", held[0].Header.Get("Nats-Msg-Id"))
	differ(t, "letters", []string{}, w.dead(t))
	differ(t, "wake-ups", map[string]uint64{"hogcast.wakeups.acme.main": 1}, w.wakeups(t))
	differ(t, "tally", replay.Tally{Replayed: 1, Branches: 1, Bytes: uint64(len(e.Body))}, job.Tally)
}

func TestRunTwiceItDeliversOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buryMany(t, 300, "main")
	start(t, w.runner("a"), replay.Spec{})
	if job, err := w.runner("b").Start(t.Context(), replay.Spec{}); !errors.Is(err, replay.ErrNothing) {
		t.Errorf("the second run: %v, %+v", err, job)
	}
	differ(t, "held", lines("main g", 300), w.held(t))
}

// The letter is replayed, delivered, dies again and is replayed again, all
// inside the duplicate windows of both streams.
func TestWhatDiesAgainIsReplayedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.letter(1, "main", outcome.Dropped)
	w.bury(t, l)
	for round := range 3 {
		start(t, w.runner("a"), replay.Spec{Filter: deadletter.Filter{Tenant: "acme"}})
		held := w.heldMessages(t)
		if len(held) != 1 || len(w.dead(t)) != 0 {
			t.Fatalf("round %d: %v are held, %v dead", round, w.held(t), w.dead(t))
		}
		w.deliver(t)
		l.From = envelope.Source{Stream: queue.StreamHeld, Sequence: held[0].Sequence, Time: held[0].Time}
		w.bury(t, l)
		differ(t, "dead", []string{"main g1"}, w.dead(t))
	}
}

func TestALetterThatComesMeanwhileIsNotReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buryMany(t, 3, "main")
	late := w.runner("a", func(p *replay.Params) {
		p.Started = func(replay.Job) { w.bury(t, w.letter(4, "main", outcome.Dropped)) }
	})
	start(t, late, replay.Spec{})
	differ(t, "held", lines("main g", 3), w.held(t))
	differ(t, "dead", []string{"main g4"}, w.dead(t))
}

func TestOnlyWhatMatchesIsReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buryMany(t, 4, "main")
	w.bury(t, w.letter(5, "other", outcome.Dropped), w.letter(6, "main", outcome.Poison))
	start(t, w.runner("a"), replay.Spec{Filter: deadletter.Filter{Tenant: "acme", RecordID: "g2"}})
	differ(t, "held", []string{"main g2"}, w.held(t))
	start(t, w.runner("a"), replay.Spec{Filter: deadletter.Filter{Reason: "poison"}})
	differ(t, "held", []string{"main g2", "main g6"}, w.held(t))
	differ(t, "dead", []string{"main g1", "main g3", "main g4", "other g5"}, w.dead(t))
}

func TestLettersOfNoDestinationAreRoutedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := destination.NewSet([]*destination.Destination{
		{ID: destination.ID{Tenant: "acme", Name: "main"}, Enabled: true, SamplingRate: 1},
		{ID: destination.ID{Tenant: "acme", Name: "private"}, Enabled: true, SamplingRate: 1, PrivacyMode: true},
		{ID: destination.ID{Tenant: "acme", Name: "off"}, SamplingRate: 1},
		{ID: destination.ID{Tenant: "acme", Name: "keys"}, Enabled: true, SamplingRate: 1, APIKeys: destination.KeyFilter{Include: []string{"k"}}},
		{ID: destination.ID{Tenant: "shut", Name: "off"}, SamplingRate: 1},
	})
	w.bury(t, w.letter(1, "", outcome.NoDestination))
	broken := w.letter(2, "", outcome.Malformed)
	broken.Envelope.Body = []byte(`{"id":"g2"}`)
	foreign := w.letter(3, "", outcome.Malformed)
	foreign.Envelope.Body = []byte(rec("beta", "g3"))
	nobodys := w.letter(4, "", outcome.Malformed)
	nobodys.Tenant = ""
	w.bury(t, broken, foreign, nobodys, w.as("shut").letter(5, "", outcome.NoDestination),
		w.as("new").letter(6, "", outcome.NoDestination), w.letter(7, "gone", outcome.DestinationDeleted))

	without := start(t, w.runner("a"), replay.Spec{Filter: deadletter.Filter{Destination: queue.NoToken}})
	differ(t, "without destinations", map[replay.Reason]uint64{replay.DestinationsNeeded: 5, replay.NoTenant: 1}, without.Tally.Skipped)
	job := start(t, w.runner("a", knowing(set)), replay.Spec{})
	differ(t, "with destinations", replay.Tally{
		Replayed: 1, Branches: 2, Bytes: job.Tally.Bytes, Skipped: map[replay.Reason]uint64{
			replay.Unreadable: 2, replay.NoTenant: 1, replay.NotWanted: 1, replay.NoDestination: 2,
		},
	}, job.Tally)
	differ(t, "held", []string{"main g1", "private g1"}, w.held(t))
	differ(t, "dead", []string{"_ g2", "_ g3", "gone g7"}, w.dead(t))
	for _, m := range w.heldMessages(t) {
		isPrivate := strings.HasSuffix(m.Subject, ".private")
		if bytes.Contains(m.Data, []byte("canary")) == isPrivate || (m.Header.Get(envelope.HeaderRules) == "privacy_mode") != isPrivate {
			t.Errorf("%s holds %s, rules %q", m.Subject, m.Data, m.Header.Get(envelope.HeaderRules))
		}
	}
}

func TestLettersThatAnUnreadableEntryMayWantStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := destination.ID{Tenant: "acme", Name: "main"}
	set := destination.NewSet([]*destination.Destination{{ID: id, Enabled: true, SamplingRate: 1}, {ID: destination.ID{Tenant: "beta", Name: "main"}, Enabled: true, SamplingRate: 1}})
	set = set.With(destination.Change{ID: destination.ID{Tenant: "acme", Name: "bad"}, Unreadable: true})
	w.bury(t, w.letter(1, "", outcome.NoDestination), w.letter(2, "main", outcome.Dropped), w.letter(3, "bad", outcome.Dropped),
		w.as("beta").letter(4, "", outcome.NoDestination))
	job := start(t, w.runner("a", knowing(set)), replay.Spec{})
	differ(t, "what stays", map[replay.Reason]uint64{replay.NoDestination: 2}, job.Tally.Skipped)
	differ(t, "held", []string{"main g2"}, w.held(t))
	differ(t, "held of another", []string{"main g4"}, w.as("beta").held(t))
	differ(t, "dead", []string{"_ g1", "bad g3"}, w.dead(t))
}

func TestAnotherDestinationGetsALetterUnderItsOwnRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buryMany(t, 2, "main")
	set := w.to(func(d *destination.Destination) { d.PrivacyMode = d.Name == "private" }, "main", "private")
	spec := replay.Spec{Filter: deadletter.Filter{Tenant: "acme"}, To: "private"}
	start(t, w.runner("a", knowing(set)), spec)
	differ(t, "held", []string{"private g1", "private g2"}, w.held(t))
	differ(t, "dead", []string{"main g1", "main g2"}, w.dead(t))
	for _, m := range w.heldMessages(t) {
		if bytes.Contains(m.Data, []byte("canary")) {
			t.Errorf("content went to a private destination: %s", m.Data)
		}
	}
	for name, r := range map[string]*replay.Runner{
		"unknown destinations": w.runner("a"),
		"no such destination":  w.runner("a", knowing(w.to(nil, "main"))),
		"a disabled one":       w.runner("a", knowing(w.to(func(d *destination.Destination) { d.Enabled = false }, "private"))),
	} {
		if _, err := r.Start(t.Context(), spec); err == nil || !strings.HasPrefix(err.Error(), "to: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatKeepsNoBytesStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	withheld := w.letter(1, "main", outcome.Malformed)
	withheld.Envelope.Withhold()
	w.bury(t, withheld, w.letter(2, "main", outcome.Dropped))
	later := envelope.Envelope{RecordID: "g3", Body: []byte("?")}
	header := later.Headers()
	header[envelope.HeaderEnvelope] = []string{"99"}
	if err := w.conn.Publish(t.Context(), queue.Message{
		Subject: queue.DeadSubject("acme", "main", "dropped"), ID: "g3", Header: header, Body: later.Body,
	}); err != nil {
		t.Fatal(err)
	}
	job := start(t, w.runner("a"), replay.Spec{})
	differ(t, "stay", map[replay.Reason]uint64{replay.NotKept: 1, replay.Foreign: 1}, job.Tally.Skipped)
	differ(t, "held", []string{"main g2"}, w.held(t))
	if n := len(w.dead(t)); n != 2 {
		t.Errorf("%d letters are left", n)
	}
}

func TestACompressedBodyStaysAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.letter(1, "main", outcome.TooLarge)
	l.Envelope.Body = []byte(`{"id":"g1","pad":"` + strings.Repeat("x", 1<<20) + `"}`)
	if _, err := deadletter.NewWriter(w.conn, 1<<20).Write(t.Context(), l); err != nil { // a smaller max_payload then
		t.Fatal(err)
	}
	start(t, w.runner("a"), replay.Spec{})
	m := w.heldMessages(t)[0]
	e, err := envelope.Parse(m.Header, m.Data)
	if err != nil || e.Encoding != envelope.EncodingZstd {
		t.Fatalf("%v: encoding %q", err, e.Encoding)
	}
	if raw, err := e.Record(); err != nil || !bytes.Equal(raw, l.Envelope.Body) {
		t.Errorf("the record is another: %v", err)
	}
}

func TestAReplayFillsHalfOfADestinationsQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *queue.Params) { p.HeldQuota = 40 })
	w.buryMany(t, 50, "main")
	for i := 51; i <= 55; i++ {
		w.bury(t, w.letter(i, "free", outcome.Dropped))
	}
	for i := range 6 { // somebody's, there already
		m := queue.Message{Subject: queue.HeldSubject("acme", "main"), ID: string(rune('a' + i)), Header: map[string][]string{envelope.HeaderRecordID: {"x"}}}
		if err := w.conn.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	notices := make(chan string, 100)
	done := make(chan replay.Job, 1)
	runner := w.runner("a", func(p *replay.Params) { p.Notice = func(s string) { notices <- s } })
	go func() {
		job, err := runner.Start(t.Context(), replay.Spec{})
		if err != nil {
			t.Error(err)
		}
		done <- job
	}()
	var delivered []string
	for len(w.dead(t)) > 0 {
		mains := 0
		for _, one := range w.held(t) {
			if strings.HasPrefix(one, "main ") {
				mains++
			}
			delivered = append(delivered, one)
		}
		if mains > 20 {
			t.Fatalf("%d of main's are held; half of the quota is 20", mains)
		}
		delivered = w.drainOnce(t, delivered, mains)
	}
	job := <-done
	if job.State != replay.Done || job.Tally.Replayed != 55 {
		t.Errorf("got %+v", job)
	}
	if len(notices) != 1 || !strings.Contains(<-notices, "acme.main: as much is held as a replay may fill") {
		t.Errorf("%d notices", len(notices))
	}
	if !slices.Contains(delivered, "free g55") {
		t.Error("a full destination held up another")
	}
}

// drainOnce delivers what is held where the replay has filled what it may.
func (w *world) drainOnce(t *testing.T, delivered []string, mains int) []string {
	t.Helper()
	if mains == 20 || len(w.dead(t)) == 0 {
		w.deliver(t)
	}
	return delivered
}

func TestAFullHeldStreamIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buryMany(t, 30, "main")
	stream, err := w.conn.JS.Stream(t.Context(), queue.StreamHeld)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxMsgs = 10
	if _, err := w.conn.JS.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	done := make(chan replay.Job, 1)
	go func() {
		job, err := w.runner("a").Start(t.Context(), replay.Spec{})
		if err != nil {
			t.Error(err)
		}
		done <- job
	}()
	var got []string
	natstest.Eventually(t, "the job is done", func() bool {
		if held := w.held(t); len(held) == 10 || len(w.dead(t)) == 0 {
			got = append(got, held...)
			w.deliver(t)
		}
		select {
		case job := <-done:
			return job.Tally.Replayed == 30
		default:
			return false
		}
	})
	got = append(got, w.held(t)...)
	slices.Sort(got)
	differ(t, "held one after another", lines("main g", 30), slices.Compact(got))
}

func TestASurveyTellsWhatAJobWouldDoAndDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buryMany(t, 3, "main")
	old := w.letter(4, "main", outcome.Dropped)
	old.Envelope.Body = []byte(`{"id":"g4","tenant":"acme","created_at":"2020-01-02T03:04:05Z","model":"m"}`)
	unreadable := w.letter(5, "main", outcome.Dropped)
	unreadable.Envelope.Body, unreadable.Envelope.Source.Time = []byte("oops"), time.Now().Add(-31*24*time.Hour)
	withheld := w.letter(6, "main", outcome.Malformed)
	withheld.Envelope.Withhold()
	w.bury(t, old, unreadable, withheld, w.letter(7, "", outcome.NoDestination))
	got, err := w.runner("a").Survey(t.Context(), replay.Spec{Rate: 0.01})
	if err != nil {
		t.Fatal(err)
	}
	size := uint64(3*len(rec("acme", "g1")) + len(old.Envelope.Body) + len(unreadable.Envelope.Body))
	differ(t, "survey", replay.Survey{
		Letters: 7, Bytes: size, Past: 2, Skipped: map[replay.Reason]uint64{replay.NotKept: 1, replay.DestinationsNeeded: 1},
		By: map[deadletter.Key]uint64{
			{Tenant: "acme", Destination: "main", Reason: "dropped"}: 5, {Tenant: "acme", Destination: "main", Reason: "malformed"}: 1,
			{Tenant: "acme", Reason: "no_destination"}: 1,
		},
	}, got)
	if got.Replayed() != 5 || got.Takes(0.01) != 500*time.Second {
		t.Errorf("%d would be replayed in %s", got.Replayed(), got.Takes(0.01))
	}
	var out bytes.Buffer
	if err := got.Write(&out, 0.01); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5 letters would be replayed of 7 that match", "in about 8 min", "more than 30 days old: 2;", "not_kept", "give --destinations"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if n := len(w.dead(t)); n != 7 || len(w.held(t)) != 0 {
		t.Errorf("%d letters are left", n)
	}
	job := start(t, w.runner("a"), replay.Spec{})
	if job.Tally.Past != 2 || job.Tally.Replayed != 5 {
		t.Errorf("the job did otherwise: %+v", job.Tally)
	}
}

func TestSpecsThatCanNotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	acme := deadletter.Filter{Tenant: "acme", Destination: "main"}
	for name, spec := range map[string]replay.Spec{
		"a negative rate":       {Rate: -1},
		"a move to nowhere":     {Move: true},
		"another of no tenant":  {To: "other"},
		"to where it is":        {Filter: acme, To: "main"},
		"to no name":            {Filter: acme, To: "a.b"},
		"an unknown reason":     {Filter: deadletter.Filter{Reason: "because"}},
		"to _":                  {Filter: acme, To: "_"},
		"another of one untold": {Filter: deadletter.Filter{Tenant: "_"}, To: "other"},
	} {
		if err := spec.Validate(); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestAPacedJobIsPausedByItsContextAndResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buryMany(t, 20, "main")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	slow := w.runner("a", func(p *replay.Params) {
		p.Progress = func(done, total uint64) {
			if done == 3 && total == 20 {
				cancel()
			}
		}
	})
	job, err := slow.Start(ctx, replay.Spec{Rate: 100})
	if err != nil || job.State != replay.Paused || job.Tally.Replayed < 3 || job.Tally.Replayed == 20 {
		t.Fatalf("%v: %+v", err, job)
	}
	differ(t, "left", 20-int(job.Tally.Replayed), len(w.dead(t))) //nolint:gosec // small
	job, err = w.runner("b").Resume(t.Context(), job.ID)
	if err != nil || job.State != replay.Done || job.Tally.Replayed != 20 {
		t.Fatalf("%v: %+v", err, job)
	}
	differ(t, "held", lines("main g", 20), w.held(t))
}

func TestASummaryAccountsForEveryLetter(t *testing.T) {
	t.Parallel()
	spec := replay.Spec{Filter: deadletter.Filter{Tenant: "acme"}}
	copied := replay.Spec{Filter: spec.Filter, To: "other"}
	for name, tt := range map[string]struct {
		job  replay.Job
		want string
	}{
		"all": {
			replay.Job{ID: "j", State: replay.Done, Spec: spec, Total: 2, Tally: replay.Tally{Replayed: 2, Branches: 2, Bytes: 7}},
			"job j is done: 2 of 2 letters replayed, 7 bytes\n",
		},
		"some counted by a runner that was killed": {
			replay.Job{ID: "j", State: replay.Done, Spec: spec, Total: 20, Tally: replay.Tally{Replayed: 10, Branches: 10, Bytes: 7, Gone: 1}},
			"job j is done: 10 of 20 letters replayed, 7 bytes; 1 were deleted by others meanwhile; " +
				"9 more had gone already: replayed before its runner was killed, dropped or expired\n",
		},
		"not done": {
			replay.Job{ID: "j", State: replay.Paused, Spec: spec, Total: 20},
			"job j was paused: 0 of 20 letters replayed\ngo on with: hogcast replay resume j\n",
		},
		"copied": {
			replay.Job{ID: "j", State: replay.Done, Spec: copied, Total: 1, Tally: replay.Tally{Replayed: 1, Branches: 1, Bytes: 7}},
			"job j is done: 1 of 1 letter replayed, 7 bytes; the letters stay (--move deletes them)\n",
		},
		"one that stays": {
			replay.Job{ID: "j", State: replay.Done, Spec: spec, Total: 1, Tally: replay.Tally{Skipped: map[replay.Reason]uint64{replay.NotKept: 1}}},
			"job j is done: 0 of 1 letter replayed\n1 stays as a dead letter:\n  1  not_kept  " + replay.NotKept.Hint() + "\n",
		},
	} {
		var out bytes.Buffer
		if err := replay.Summary(&out, tt.job); err != nil {
			t.Fatal(err)
		}
		differ(t, name, tt.want, out.String())
	}
	for _, reason := range replay.Reasons() {
		if line := "  1,000,000  " + string(replay.DestinationsNeeded) + "  " + reason.Hint(); len(line) > 120 {
			t.Errorf("%s: its line is %d wide", reason, len(line))
		}
	}
}
