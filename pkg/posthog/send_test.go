package posthog

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// On v1 the SDK's envelope and options stand around our own bytes.
func TestV1CarriesTheEventsAsTheyAre(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	s := newSender(t)
	batch := eventsOf(3)
	batch[1].Personless = true
	batch[1].Properties = []byte(`{ "kept" : [1.0, 1e3, "<&>  "],"nested":{"a":{}}}`)
	batch[2].Timestamp = time.Time{} // the SDK would make it now
	batch[2].DistinctID = "Ünï \"quoted\" <b>\n"
	batch[2].Properties = []byte(`{}`)

	got := s.Send(t.Context(), destinationAt(srv.URL, destination.V1), batch)
	if diff := cmp.Diff(accepted(3), got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	reqs := srv.requests()
	if len(reqs) != 1 {
		t.Fatalf("got %d requests, want 1", len(reqs))
	}
	r := reqs[0]
	if r.Method != http.MethodPost || r.Path != "/i/v1/analytics/events" || r.Query != "" {
		t.Errorf("got %s %s?%s", r.Method, r.Path, r.Query)
	}
	want := map[string]string{
		"Authorization": "Bearer " + testKey, "Content-Encoding": "zstd", "Content-Type": "application/json",
		"User-Agent": "hogcast/1.2.3", "Posthog-Sdk-Info": "hogcast/1.2.3", "Posthog-Attempt": "1",
	}
	for name, value := range want {
		if got := r.Header.Get(name); got != value {
			t.Errorf("header %s: got %q, want %q", name, got, value)
		}
	}
	for i, e := range batch {
		w := r.Body.Batch[i]
		options := optionsPlain
		if e.Personless {
			options = optionsPersonless
		}
		wantEvent := wireEvent{
			UUID: e.UUID, Event: e.Name, DistinctID: e.DistinctID, Timestamp: string(e.AppendTimestamp(nil)),
			Options: []byte(options), Properties: e.Properties,
		}
		if diff := cmp.Diff(wantEvent, w); diff != "" {
			t.Errorf("event %d (-want +got):\n%s", i, diff)
		}
	}
	if r.Body.APIKey != "" || r.Body.CreatedAt == "" {
		t.Errorf("envelope: api_key %q, created_at %q", r.Body.APIKey, r.Body.CreatedAt)
	}
	if strings.Contains(string(r.Raw), "$os") || strings.Contains(string(r.Raw), "$lib") {
		t.Errorf("the worker's own properties went out: %s", r.Raw)
	}
}

func TestBatchPathCarriesTheLegacyForm(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	s := newSender(t)
	batch := eventsOf(2)
	batch[0].Personless = true
	batch[1].Timestamp = time.Time{}

	got := s.Send(t.Context(), destinationAt(srv.URL, destination.Batch), batch)
	if diff := cmp.Diff(accepted(2), got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	r := srv.requests()[0]
	if r.Path != "/batch/" || r.Query != "compression=gzip" || r.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("got %s?%s in %q", r.Path, r.Query, r.Header.Get("Content-Encoding"))
	}
	if r.Body.APIKey != testKey {
		t.Errorf("api_key: got %q", r.Body.APIKey)
	}
	for i, e := range batch {
		want := wireEvent{
			UUID: e.UUID, Event: e.Name, DistinctID: e.DistinctID, Timestamp: string(e.AppendTimestamp(nil)),
			Properties: e.AppendProperties(nil),
		}
		if diff := cmp.Diff(want, r.Body.Batch[i]); diff != "" {
			t.Errorf("event %d (-want +got):\n%s", i, diff)
		}
	}
}

// The whole batch goes in one request, at the largest sizes that are allowed.
func TestAFullBatchIsOneRequest(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	s := newSender(t)
	batch := eventsOf(MaxBatchEvents)
	for _, e := range batch {
		e.DistinctID = strings.Repeat("\"<", 100) // six bytes each in the SDK's JSON
	}
	filler := event.MaxBytes - batch[0].Size() - len(`,"big":""`)
	batch[0].Properties = fmt.Appendf(nil, `{"n":0,"big":%q}`, strings.Repeat("x", filler))
	for _, p := range []destination.Protocol{destination.V1, destination.Batch} {
		got := s.Send(t.Context(), destinationAt(srv.URL, p), batch)
		if diff := cmp.Diff(accepted(len(batch)), got); diff != "" {
			t.Errorf("%s: verdicts (-want +got):\n%s", p, diff)
		}
	}
	if got := len(srv.requests()); got != 2 {
		t.Errorf("got %d requests, want one a path", got)
	}
}

func TestV1ResultsAreObeyedOneByOne(t *testing.T) {
	t.Parallel()
	given := []string{
		`{"result":"ok"}`,
		`{"result":"warning","details":"person_processing_disabled"}`,
		`{"result":"drop","details":"ai_event_too_big"}`,
		`{"result":"drop","details":"billing_limit_exceeded"}`,
		`{"result":"retry","details":"not_persisted"}`,
		`{"result":"fine"}`,
		`{}`,
		``, // left out
		`{"details":null,"result":"ok","more":{"a":[1]}}`,
		`{"result":"drop"}`,
	}
	srv := newServer(t, func(w http.ResponseWriter, r request) {
		w.Header().Set("Retry-After", "1")
		body := results(r, func(i int) string { return given[i] })
		// Uuids that nobody asked for change nothing.
		body = strings.Replace(body, `{"results":{`, `{"x":1,"results":{"`+uuidOf(999)+`":{"result":"drop"},`, 1)
		_, _ = io.WriteString(w, body)
	})
	s := newSender(t)
	got := s.Send(t.Context(), destinationAt(srv.URL, destination.V1), eventsOf(len(given)))
	verdict := func(a outcome.Action, c outcome.Cause, detail string, wait time.Duration) outcome.Verdict {
		return outcome.Verdict{Action: a, Cause: c, Status: 200, Detail: detail, RetryAfter: wait}
	}
	want := []outcome.Verdict{
		verdict(outcome.Accept, outcome.OK, "", 0),
		verdict(outcome.Accept, outcome.Warning, "person_processing_disabled", 0),
		verdict(outcome.Bury, outcome.DroppedByServer, "ai_event_too_big", 0),
		verdict(outcome.Hold, outcome.OverQuota, "billing_limit_exceeded", time.Second),
		verdict(outcome.Retry, outcome.RetryAsked, "not_persisted", time.Second),
		verdict(outcome.Retry, outcome.UnexpectedResult, "", time.Second),
		verdict(outcome.Retry, outcome.UnexpectedResult, "", time.Second),
		verdict(outcome.Retry, outcome.NoVerdict, "the answer leaves it out", time.Second),
		verdict(outcome.Accept, outcome.OK, "", 0),
		verdict(outcome.Bury, outcome.DroppedByServer, "", 0),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// Messages of two Sends never mix, whatever runs beside whatever.
func TestSendsOfManyAtOnceStayApart(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	s := newSender(t, func(c *Config) { c.MaxClients = 3 }) // and clients come and go
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 10 {
				d := destinationAt(srv.URL, []destination.Protocol{destination.V1, destination.Batch}[i%2])
				d.Tenant = fmt.Sprintf("t%d", (g+i)%8)
				batch := eventsOf(1 + (g+i)%20)
				for j, e := range batch {
					e.UUID = uuidOf(g*1_000_000 + i*1000 + j)
				}
				if diff := cmp.Diff(accepted(len(batch)), s.Send(t.Context(), d, batch)); diff != "" {
					t.Errorf("verdicts (-want +got):\n%s", diff)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, r := range srv.requests() {
		for _, e := range r.Body.Batch {
			if seen[e.UUID] {
				t.Errorf("%s arrived twice", e.UUID)
			}
			seen[e.UUID] = true
		}
	}
	want := 0
	for g := range 16 {
		for i := range 10 {
			want += 1 + (g+i)%20
		}
	}
	if len(seen) != want {
		t.Errorf("got %d events, want %d", len(seen), want)
	}
}

func TestEachAttemptIsTold(t *testing.T) {
	t.Parallel()
	srv := newServer(t, func(w http.ResponseWriter, r request) {
		switch {
		case r.Path != "/batch/":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Content-Encoding") != "":
			w.WriteHeader(http.StatusUnsupportedMediaType)
		default:
			allOK(w, r)
		}
	})
	var mu sync.Mutex
	var got []Attempt
	s := newSender(t, func(c *Config) {
		c.OnAttempt = func(_ context.Context, a Attempt) {
			mu.Lock()
			defer mu.Unlock()
			if a.RawBytes <= 0 || a.WireBytes <= 0 || a.Duration <= 0 {
				t.Errorf("not measured: %+v", a)
			}
			a.RawBytes, a.WireBytes, a.Duration = 0, 0, 0
			got = append(got, a)
		}
	})
	d := destinationAt(srv.URL, destination.Auto)
	if diff := cmp.Diff(accepted(2), s.Send(t.Context(), d, eventsOf(2))); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	want := []Attempt{
		{Destination: d.ID, Path: "/i/v1/analytics/events", Encoding: "zstd", Events: 2, Status: 404, Cause: outcome.NotServed},
		{Destination: d.ID, Path: "/batch/", Encoding: "gzip", Events: 2, Status: 415, Cause: outcome.EncodingRefused},
		{Destination: d.ID, Path: "/batch/", Encoding: "none", Events: 2, Status: 200, Cause: outcome.OK},
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

func TestAClosedSenderInterrupts(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	s.Close()
	s.Close()
	got := s.Send(t.Context(), destinationAt("http://127.0.0.1:1", destination.V1), eventsOf(1))
	want := uniform(1, interrupted("the sender is closed"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestConfigNamesEachFault(t *testing.T) {
	t.Parallel()
	_, err := NewSender(Config{
		RequestTimeout: -1, IdleAfter: time.Millisecond, MaxClients: -1, UserAgent: "hog cast",
		EgressAllow: []netip.Prefix{{}},
	})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"request timeout", "idle after", "max clients", "user agent", "egress allow"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
}

func TestAnEmptyBatchAsksNothing(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	if got := s.Send(context.Background(), destinationAt("http://127.0.0.1:1", destination.V1), nil); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
