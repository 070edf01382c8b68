package posthog

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// clock is a hand-moved one.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.nanos.Load()))
}
func (c *clock) pass(d time.Duration) { c.nanos.Add(int64(d)) }

// servedPaths answers with a status where a path has one, else as healthy.
func servedPaths(statuses *[2]atomic.Int32) func(http.ResponseWriter, request) {
	return func(w http.ResponseWriter, r request) {
		i := 0
		if r.Path == "/batch/" {
			i = 1
		}
		if code := int(statuses[i].Load()); code != 0 {
			w.WriteHeader(code)
			return
		}
		allOK(w, r)
	}
}

const (
	onV1    = "/i/v1/analytics/events zstd"
	onBatch = "/batch/ gzip"
)

func TestAutoFindsThePathThatIsServed(t *testing.T) {
	t.Parallel()
	type step struct {
		pass      time.Duration
		v1, batch int32 // statuses; 0: healthy
		want      outcome.Cause
		paths     []string
	}
	cases := map[string][]step{
		"v1 is enough where it is served": {
			{0, 0, 404, outcome.OK, []string{onV1}},
			{0, 500, 0, outcome.ServerError, []string{onV1}},
		},
		"404 on v1 goes to batch at once, for ten minutes": {
			{0, 404, 0, outcome.OK, []string{onV1, onBatch}},
			{0, 404, 0, outcome.OK, []string{onBatch}},
			{9*time.Minute + 59*time.Second, 0, 0, outcome.OK, []string{onBatch}},
			{time.Second, 0, 0, outcome.OK, []string{onV1}},
			{0, 0, 0, outcome.OK, []string{onV1}},
		},
		"405 is the same": {
			{0, 405, 0, outcome.OK, []string{onV1, onBatch}},
			{0, 405, 0, outcome.OK, []string{onBatch}},
		},
		"neither path": {
			{0, 404, 404, outcome.NotServed, []string{onV1, onBatch}},
			{0, 404, 405, outcome.NotServed, []string{onV1, onBatch}},
			{0, 0, 404, outcome.OK, []string{onV1}},
		},
		"batch goes away and v1 comes": {
			{0, 404, 0, outcome.OK, []string{onV1, onBatch}},
			{0, 0, 404, outcome.OK, []string{onBatch, onV1}},
			{0, 0, 0, outcome.OK, []string{onV1}},
		},
		"a refusal on batch shows that it is served": {
			{0, 404, 401, outcome.Unauthorized, []string{onV1, onBatch}},
			{0, 404, 0, outcome.OK, []string{onBatch}},
		},
		"an outage on batch shows nothing": {
			{0, 404, 502, outcome.ServerError, []string{onV1, onBatch}},
			{0, 0, 0, outcome.OK, []string{onV1}},
		},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var statuses [2]atomic.Int32
			srv := newServer(t, servedPaths(&statuses))
			c := &clock{}
			s := newSender(t, func(cfg *Config) { cfg.Now = c.now })
			for i, st := range steps {
				c.pass(st.pass)
				statuses[0].Store(st.v1)
				statuses[1].Store(st.batch)
				before := len(srv.paths())
				got := s.Send(t.Context(), destinationAt(srv.URL, destination.Auto), eventsOf(1))[0]
				if got.Cause != st.want {
					t.Errorf("step %d: got %+v, want %s", i, got, st.want)
				}
				if st.want == outcome.NotServed && got.Action != outcome.Hold {
					t.Errorf("step %d: got %s, want hold", i, got.Action)
				}
				if diff := cmp.Diff(st.paths, srv.paths()[before:]); diff != "" {
					t.Errorf("step %d: paths (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestAFixedProtocolStaysOnItsPath(t *testing.T) {
	t.Parallel()
	for p, path := range map[destination.Protocol]string{destination.V1: onV1, destination.Batch: onBatch} {
		srv := newServer(t, status(404, ""))
		got := newSender(t).Send(t.Context(), destinationAt(srv.URL, p), eventsOf(1))[0]
		if want := (outcome.Verdict{Action: outcome.Hold, Cause: outcome.NotServed, Status: 404}); got != want {
			t.Errorf("%s: got %+v, want %+v", p, got, want)
		}
		if diff := cmp.Diff([]string{path}, srv.paths()); diff != "" {
			t.Errorf("%s: paths (-want +got):\n%s", p, diff)
		}
	}
}

// What one project's key was told says nothing of another's.
func TestFindingsBelongToTheKey(t *testing.T) {
	t.Parallel()
	srv := newServer(t, func(w http.ResponseWriter, r request) {
		if r.Path != "/batch/" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		allOK(w, r)
	})
	s := newSender(t)
	one, other := destinationAt(srv.URL, destination.Auto), destinationAt(srv.URL, destination.Auto)
	other.APIKey = destination.NewSecret("phc_another")
	s.Send(t.Context(), one, eventsOf(1))
	s.Send(t.Context(), other, eventsOf(1))
	s.Send(t.Context(), one, eventsOf(1))
	want := []string{onV1, onBatch, onV1, onBatch, onBatch}
	if diff := cmp.Diff(want, srv.paths()); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestARefusedEncodingLeadsToTheNext(t *testing.T) {
	t.Parallel()
	for _, p := range protocols() {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			var plain atomic.Bool // false: not even plain is taken
			srv := newServer(t, func(w http.ResponseWriter, r request) {
				if r.Header.Get("Content-Encoding") != "" || !plain.Load() {
					w.WriteHeader(http.StatusUnsupportedMediaType)
					return
				}
				allOK(w, r)
			})
			c := &clock{}
			s := newSender(t, func(cfg *Config) { cfg.Now = c.now })
			all := []string{"/i/v1/analytics/events zstd", "/i/v1/analytics/events gzip", "/i/v1/analytics/events "}
			if p == destination.Batch {
				all = []string{"/batch/ gzip", "/batch/ "}
			}
			send := func(want outcome.Verdict, paths []string) {
				t.Helper()
				before := len(srv.paths())
				got := s.Send(t.Context(), destinationAt(srv.URL, p), eventsOf(1))[0]
				if got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				if diff := cmp.Diff(paths, srv.paths()[before:]); diff != "" {
					t.Errorf("paths (-want +got):\n%s", diff)
				}
			}
			send(outcome.Verdict{Action: outcome.Hold, Cause: outcome.EncodingRefused, Status: 415}, all)
			plain.Store(true)
			send(accepted(1)[0], all[len(all)-1:])
			c.pass(findingTTL)
			send(accepted(1)[0], all)
		})
	}
}

func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	c := &clock{}
	f := newFindings(c.now)
	for i := range 2*maxFindings + 5 {
		f.note(finding{key: fmt.Sprint(i)})
	}
	if got := len(f.until); got != maxFindings {
		t.Errorf("got %d findings, want %d", got, maxFindings)
	}
	c.pass(findingTTL)
	for i := range maxFindings {
		f.note(finding{key: "new" + fmt.Sprint(i)})
	}
	kept := 0
	for i := range maxFindings {
		if f.holds(finding{key: "new" + fmt.Sprint(i)}) {
			kept++
		}
	}
	if kept < maxFindings*3/4 {
		t.Errorf("%d of %d fresh findings are left: they gave way to expired ones", kept, maxFindings)
	}
}

func TestRetryAfterIsReadAndBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, " 30 ": 30 * time.Second, "-5": 0, "1.5": 0, "soon": 0,
		"3600": time.Hour, "3601": time.Hour, "99999999999999999999999": time.Hour,
		"Sun, 01 Mar 2026 12:00:10 GMT": 10 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"Mon, 01 Mar 2027 12:00:00 GMT": time.Hour,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
	srv := newServer(t, func(w http.ResponseWriter, _ request) {
		w.Header().Set("Retry-After", "Sun, 01 Mar 2026 00:00:07 GMT")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, "slow down")
	})
	s := newSender(t, func(c *Config) { c.Now = (&clock{}).now })
	for _, p := range protocols() {
		got := s.Send(t.Context(), destinationAt(srv.URL, p), eventsOf(1))[0]
		want := outcome.Verdict{
			Action: outcome.Retry, Cause: outcome.RateLimited, Status: 429, Detail: "slow down", RetryAfter: 7 * time.Second,
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", p, got, want)
		}
	}
}
