package sandbox_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

// outcome is what a client and the sandbox have of a faulty request.
type outcome struct {
	Status int
	Header string // Retry-After or Location
	Body   string
	Taken  int
}

func TestFaultsThatAnswer(t *testing.T) {
	t.Parallel()
	const v1503 = `{"error":"service_unavailable","error_description":"Service Unavailable","error_uri":"https://posthog.com/docs/api"}`
	tests := map[string]struct {
		fault      sandbox.Fault
		v1, legacy outcome
	}{
		"a status": {
			sandbox.Status(503),
			outcome{Status: 503, Body: v1503},
			outcome{Status: 503, Body: "Service Unavailable"},
		},
		"a status, the events taken": {
			sandbox.Status(500).Take(),
			outcome{Status: 500, Taken: 1, Body: strings.NewReplacer("service_unavailable", "internal_server_error", "Service Unavailable", "Internal Server Error").Replace(v1503)},
			outcome{Status: 500, Taken: 1, Body: "Internal Server Error"},
		},
		"a status with Retry-After, rounded up": {
			sandbox.Body(429, "text/plain", "slow down").RetryAfter(1500 * time.Millisecond),
			outcome{Status: 429, Header: "2", Body: "slow down"},
			outcome{Status: 429, Header: "2", Body: "slow down"},
		},
		"a redirect": {
			sandbox.Redirect(302, "https://login.example.com/"),
			outcome{Status: 302, Header: "https://login.example.com/"},
			outcome{Status: 302, Header: "https://login.example.com/"},
		},
		"a page behind a 200": {
			sandbox.Body(200, "text/html", "<html>welcome</html>"),
			outcome{Status: 200, Body: "<html>welcome</html>"},
			outcome{Status: 200, Body: "<html>welcome</html>"},
		},
		"a 200 with nothing in it": {
			sandbox.Status(200),
			outcome{Status: 200},
			outcome{Status: 200},
		},
		"latency": {
			sandbox.Latency(time.Millisecond),
			outcome{Status: 200, Body: `{"results":{"ID":{"result":"ok"}}}`, Taken: 1},
			outcome{Status: 200, Body: `{"status":"Ok"}`, Taken: 1},
		},
		"a status after a while": {
			sandbox.Body(504, "text/plain", "timeout").After(time.Millisecond),
			outcome{Status: 504, Body: "timeout"},
			outcome{Status: 504, Body: "timeout"},
		},
		"normal service with a header": {
			sandbox.OK().RetryAfter(3 * time.Second),
			outcome{Status: 200, Header: "3", Body: `{"results":{"ID":{"result":"ok"}}}`, Taken: 1},
			outcome{Status: 200, Header: "3", Body: `{"status":"Ok"}`, Taken: 1},
		},
		"a retry": {
			sandbox.Retry(),
			outcome{Status: 200, Header: "1", Body: `{"results":{"ID":{"result":"retry","details":"not_persisted"}}}`},
			outcome{Status: 503, Body: "transient error, please retry"},
		},
		"a retry of what is taken all the same": {
			sandbox.Retry().Take(),
			outcome{Status: 200, Header: "1", Body: `{"results":{"ID":{"result":"retry","details":"not_persisted"}}}`, Taken: 1},
			outcome{Status: 503, Body: "transient error, please retry", Taken: 1},
		},
		"a drop": {
			sandbox.Drop("event_restriction_drop"),
			outcome{Status: 200, Body: `{"results":{"ID":{"result":"drop","details":"event_restriction_drop"}}}`},
			outcome{Status: 200, Body: `{"status":"Ok"}`},
		},
		"a warning": {
			sandbox.Verdict("warning", "person_processing_disabled"),
			outcome{Status: 200, Body: `{"results":{"ID":{"result":"warning","details":"person_processing_disabled"}}}`, Taken: 1},
			outcome{Status: 200, Body: `{"status":"Ok"}`, Taken: 1},
		},
		"a word that nobody knows": {
			sandbox.Verdict("deferred", ""),
			outcome{Status: 200, Body: `{"results":{"ID":{"result":"deferred"}}}`},
			outcome{Status: 200, Body: `{"status":"deferred"}`},
		},
		"no verdict": {
			sandbox.NoVerdict(),
			outcome{Status: 200, Body: `{"results":{}}`},
			outcome{Status: 200},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for path, want := range map[string]outcome{sandbox.PathV1: test.v1, sandbox.PathBatch: test.legacy} {
				s := start(t, sandbox.Config{})
				s.Script(sandbox.Match{}, test.fault)
				e := newEvent()
				body := legacy(e.json())
				if path == sandbox.PathV1 {
					body = v1(e.json())
				}
				r := mustSend(t, s, request{path: path, key: key, body: body})
				got := outcome{
					Status: r.status, Header: r.header.Get("Retry-After") + r.header.Get("Location"),
					Body: strings.ReplaceAll(r.body, e.id, "ID"), Taken: s.Count(),
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got): %s", path, diff)
				}
				r = mustSend(t, s, request{path: path, key: key, body: body})
				if r.status != http.StatusOK || s.Count() != 1 || s.Remaining() != 0 {
					t.Errorf("%s afterwards: got %d, %d taken, %d faults left", path, r.status, s.Count(), s.Remaining())
				}
			}
		})
	}
}

func TestVerdictsOfSomeEvents(t *testing.T) {
	t.Parallel()
	a, b, c, d := newEvent(), newEvent(), newEvent(), newEvent()
	bad := with(func(e *event) { e.name = "" })
	tests := map[string]struct {
		fault sandbox.Fault
		want  map[string]string
		taken int
	}{
		"retry for every second": {
			sandbox.Retry().Every(2),
			map[string]string{a.id: "ok", b.id: "retry not_persisted", c.id: "ok", d.id: "retry not_persisted"},
			2,
		},
		"retry for a uuid": {
			sandbox.Retry(strings.ToUpper(c.id)),
			map[string]string{a.id: "ok", b.id: "ok", c.id: "retry not_persisted", d.id: "ok"},
			3,
		},
		"drop for two uuids": {
			sandbox.Drop("rejected", a.id, d.id),
			map[string]string{a.id: "drop rejected", b.id: "ok", c.id: "ok", d.id: "drop rejected"},
			2,
		},
		"no verdict for the first three": {
			sandbox.NoVerdict().First(3),
			map[string]string{d.id: "ok"},
			1,
		},
		"no verdict for a uuid": {
			sandbox.NoVerdict(b.id),
			map[string]string{a.id: "ok", c.id: "ok", d.id: "ok"},
			3,
		},
		"no verdict, all taken": {
			sandbox.NoVerdict().Take(),
			map[string]string{},
			4,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sandbox.Config{})
			s.Script(sandbox.Match{Path: sandbox.PathV1}, test.fault)
			got := verdicts(t, sendV1(t, s, a.json(), b.json(), c.json(), d.json(), bad.json()))
			if v := got[bad.id]; v != "drop missing_event_name" {
				t.Errorf("bad event: got %q, want its own verdict", v)
			}
			delete(got, bad.id)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error("verdicts (-want +got):", diff)
			}
			if s.Count() != test.taken {
				t.Errorf("got %d taken, want %d", s.Count(), test.taken)
			}
		})
	}
}

func TestFaultsThatCutTheConnection(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault sandbox.Fault
		taken int
	}{
		"reset before the body":            {sandbox.Reset(), 0},
		"reset when the events are taken":  {sandbox.Reset().Take(), 1},
		"reset in the answer":              {sandbox.ResetBody(), 0},
		"reset in the answer, after all":   {sandbox.ResetBody().Take(), 1},
		"a hang that ends":                 {sandbox.HangFor(time.Millisecond), 0},
		"a hang that ends, taken at first": {sandbox.HangFor(time.Millisecond).Take(), 1},
		"a reset after a while":            {sandbox.Reset().Take().After(time.Millisecond), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for path, body := range map[string]string{sandbox.PathV1: v1(newEvent().json()), sandbox.PathBatch: legacy(newEvent().json())} {
				s := start(t, sandbox.Config{})
				s.Script(sandbox.Match{}, test.fault)
				_, err := send(t, s, request{path: path, key: key, body: body})
				if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s: got error %v, want a cut connection", path, err)
				}
				if s.Count() != test.taken {
					t.Errorf("%s: got %d taken, want %d", path, s.Count(), test.taken)
				}
			}
		})
	}
}

func TestAResetInTheAnswerComesAfterItsHead(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	s.Always(sandbox.Match{}, sandbox.ResetBody())
	events := make([]string, 500) // an answer that no buffer hides
	for i := range events {
		events[i] = newEvent().json()
	}
	got, err := send(t, s, request{path: sandbox.PathV1, key: key, body: v1(events...)})
	if err == nil {
		t.Fatal("got no error, want a cut answer")
	}
	if got.status != 200 && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got status %d and %v, want the head of a 200, or a reset", got.status, err)
	}
	if requests := s.Requests(); requests[0].Status != 200 {
		t.Errorf("got %+v, want status 200", requests[0])
	}
}

func TestAHangLastsUntilTheClientLeaves(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	s.Script(sandbox.Match{}, sandbox.Hang(), sandbox.Latency(time.Hour))
	for n := 1; n <= 2; n++ {
		ctx, cancel := context.WithCancel(deadline(t))
		failed := make(chan error, 1)
		go func() {
			_, err := sendContext(ctx, t, s, request{path: sandbox.PathBatch, body: legacy(newEvent().json())})
			failed <- err
		}()
		if err := s.AwaitRequests(deadline(t), n); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want a cancelled request", err)
		}
	}
	if s.Count() != 0 {
		t.Errorf("got %d taken, want none", s.Count())
	}
}

func TestCloseEndsAHang(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	s.Always(sandbox.Match{}, sandbox.Hang())
	failed := make(chan error, 1)
	go func() {
		_, err := send(t, s, request{path: sandbox.PathBatch, body: legacy(newEvent().json())})
		failed <- err
	}()
	if err := s.AwaitRequests(deadline(t), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("got an answer, want none")
	}
	if err := s.Await(deadline(t), 1); !errors.Is(err, sandbox.ErrClosed) {
		t.Errorf("Await: got %v, want ErrClosed", err)
	}
}

func TestLatencyIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Config{})
		s.Script(sandbox.Match{}, sandbox.Latency(time.Minute))
		begun := time.Now()
		w := serve(s, sandbox.PathBatch, "", []byte(legacy(newEvent().json())))
		if took := time.Since(begun); took != time.Minute || w.Code != 200 {
			t.Errorf("got %d after %v, want 200 after a minute", w.Code, took)
		}
	})
}

func TestAFaultWithoutAConnectionToCutAborts(t *testing.T) {
	t.Parallel()
	s := sandbox.New(sandbox.Config{})
	s.Always(sandbox.Match{}, sandbox.Reset())
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("got %v, want http.ErrAbortHandler", err)
		}
	}()
	serve(s, sandbox.PathBatch, "", nil)
}

func TestScriptsAreConsumedInOrderByTheRequestsTheyMatch(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	const other = "phc_other"
	s.Script(sandbox.Match{APIKey: key, Path: "/batch"}, sandbox.Status(500), sandbox.OK(), sandbox.Status(502))
	s.Script(sandbox.Match{APIKey: other}, sandbox.Status(429).Times(2)...)
	s.Always(sandbox.Match{Path: sandbox.PathV1 + "/"}, sandbox.Status(404))

	batch := func(key string) int {
		return mustSend(t, s, request{path: "/batch/", body: strings.Replace(legacy(newEvent().json()), "phc_0123456789abcdef", key, 1)}).status
	}
	v1 := func(key string) int {
		return mustSend(t, s, request{path: sandbox.PathV1, key: key, body: v1(newEvent().json())}).status
	}
	got := []int{batch(key), v1(key), batch(other), batch(key), v1(other), batch(other), batch(key), batch(key), v1(key)}
	want := []int{500, 404, 429, 200, 429, 200, 502, 200, 404}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("statuses (-want +got):", diff)
	}
	s.Clear(sandbox.Match{Path: sandbox.PathV1})
	if got := v1(key); got != 200 {
		t.Errorf("got %d after Clear, want 200", got)
	}
	var faults []string
	for _, r := range s.Requests() {
		faults = append(faults, r.Fault)
	}
	if diff := cmp.Diff([]string{"500", "404", "429", "ok", "429", "", "502", "", "404", ""}, faults); diff != "" {
		t.Error("faults listed (-want +got):", diff)
	}
}

func TestARequestThatIsRefusedMeetsItsFaultAllTheSame(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	s.Script(sandbox.Match{}, sandbox.Status(503), sandbox.Retry())
	if got := mustSend(t, s, request{path: sandbox.PathV1, key: key, body: "nonsense"}); got.status != 503 {
		t.Errorf("got %d, want the fault's 503", got.status)
	}
	if got := mustSend(t, s, request{path: sandbox.PathV1, key: key, body: "nonsense"}); got.status != 400 {
		t.Errorf("got %d, want 400: there is no verdict to reword", got.status)
	}
}

func TestTheSandboxServesAsAHandlerToo(t *testing.T) {
	t.Parallel()
	s := sandbox.New(sandbox.Config{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	resp, err := srv.Client().Post(srv.URL+sandbox.PathBatch, "application/json", strings.NewReader(legacy(newEvent().json())))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || s.Count() != 1 {
		t.Errorf("got %d with %d taken, want 200 with 1", resp.StatusCode, s.Count())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
