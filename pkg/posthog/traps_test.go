package posthog

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/posthog/posthog-go"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func protocols() []destination.Protocol {
	return []destination.Protocol{destination.V1, destination.Batch}
}

// What PostHog can't take is judged unsent, and costs its neighbours nothing.
func TestBadEventsStayBehindAndTheOthersGo(t *testing.T) {
	t.Parallel()
	big := fmt.Appendf(nil, `{"a":%q}`, strings.Repeat("x", event.MaxBytes))
	unencodable := func(detail string) outcome.Verdict { return bury(outcome.Unencodable, detail) }
	cases := []struct {
		name  string
		spoil func(*event.Event)
		want  outcome.Verdict
	}{
		{"a uuid of capitals", func(e *event.Event) { e.UUID = strings.ToUpper(e.UUID) }, unencodable("uuid: not in canonical form")},
		{"a uuid in braces", func(e *event.Event) { e.UUID = "{" + e.UUID + "}" }, unencodable("uuid: not in canonical form")},
		{"no uuid", func(e *event.Event) { e.UUID = "" }, unencodable("uuid: not in canonical form")},
		{"a uuid that is none", func(e *event.Event) { e.UUID = strings.Repeat("-", 36) }, unencodable("uuid: not in canonical form")},
		{"a uuid that is in the batch", func(e *event.Event) { e.UUID = uuidOf(0) }, retry(outcome.NoVerdict, "not sent: its uuid is in the batch already")},
		{"no name", func(e *event.Event) { e.Name = "" }, unencodable("event name: empty")},
		{"no distinct id", func(e *event.Event) { e.DistinctID = "" }, unencodable("distinct_id: empty")},
		{"no properties", func(e *event.Event) { e.Properties = nil }, unencodable("properties: not a JSON object")},
		{"an array", func(e *event.Event) { e.Properties = []byte(`[1]`) }, unencodable("properties: not a JSON object")},
		{"null", func(e *event.Event) { e.Properties = []byte(`null`) }, unencodable("properties: not a JSON object")},
		{"half an object", func(e *event.Event) { e.Properties = []byte(`{`) }, unencodable("properties: not a JSON object")},
		{"too many bytes", func(e *event.Event) { e.Properties = big }, bury(outcome.EventTooLarge, "over 480,000 bytes")},
	}
	for _, p := range protocols() {
		for _, c := range cases {
			t.Run(string(p)+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				srv := newServer(t, allOK)
				batch := eventsOf(3)
				c.spoil(batch[1])
				got := newSender(t).Send(t.Context(), destinationAt(srv.URL, p), batch)
				want := accepted(3)
				want[1] = c.want
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("verdicts (-want +got):\n%s", diff)
				}
				reqs := srv.requests()
				if len(reqs) != 1 || len(reqs[0].Body.Batch) != 2 {
					t.Errorf("got %d requests, want one of two events", len(reqs))
				}
			})
		}
	}
	t.Run("nothing is asked for a batch of bad ones", func(t *testing.T) {
		t.Parallel()
		srv := newServer(t, allOK)
		newSender(t).Send(t.Context(), destinationAt(srv.URL, destination.V1), []*event.Event{nil, {}})
		if got := len(srv.requests()); got != 0 {
			t.Errorf("got %d requests", got)
		}
	})
}

// An event is too large by its real size, not by the bound that Size gives.
func TestAnEventOfExactlyTheLimitGoes(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	e := eventsOf(1)[0]
	e.DistinctID = strings.Repeat("d", 200)
	e.Properties = []byte(`{"a":""}`)
	room := event.MaxBytes - len(e.AppendJSON(nil))
	e.Properties = fmt.Appendf(nil, `{"a":%q}`, strings.Repeat("x", room))
	if e.Size() <= event.MaxBytes {
		t.Fatalf("Size %d says nothing here", e.Size())
	}
	got := newSender(t).Send(t.Context(), destinationAt(srv.URL, destination.V1), []*event.Event{e})
	if diff := cmp.Diff(accepted(1), got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestABatchBeyondTheLimitIsSentInPart(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	got := newSender(t).Send(t.Context(), destinationAt(srv.URL, destination.V1), eventsOf(MaxBatchEvents+2))
	want := append(accepted(MaxBatchEvents), uniform(2, retry(outcome.NoVerdict, "not sent: the batch is full"))...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestDestinationsThatCanNotBeAskedAreHeld(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	s := newSender(t)
	for name, c := range map[string]struct {
		key, endpoint string
		want          outcome.Cause
	}{
		"an empty key":                {"", srv.URL, outcome.Unauthorized},
		"a key of spaces":             {"  ", srv.URL, outcome.Unauthorized},
		"a personal key":              {"phx_secretsecret", srv.URL, outcome.Unauthorized},
		"no endpoint":                 {testKey, "", outcome.NotServed},
		"an endpoint without scheme":  {testKey, "example.com", outcome.NotServed},
		"an endpoint with a path":     {testKey, srv.URL + "/x", outcome.NotServed},
		"an endpoint with user info":  {testKey, "http://a:b@127.0.0.1", outcome.NotServed},
		"an endpoint of another kind": {testKey, "ftp://127.0.0.1", outcome.NotServed},
	} {
		d := destinationAt(c.endpoint, destination.V1)
		d.APIKey = destination.NewSecret(c.key)
		got := s.Send(t.Context(), d, eventsOf(2))
		for _, v := range got {
			if v.Action != outcome.Hold || v.Cause != c.want || v.Detail == "" {
				t.Errorf("%s: got %+v, want hold for %s", name, v, c.want)
			}
			if strings.Contains(v.Detail, "secretsecret") {
				t.Errorf("%s: the key is in %q", name, v.Detail)
			}
		}
	}
	if got := len(srv.requests()); got != 0 {
		t.Errorf("got %d requests, want none", got)
	}
}

func TestATrailingSlashOfTheEndpointIsCut(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	s := newSender(t)
	for _, p := range protocols() {
		if diff := cmp.Diff(accepted(1), s.Send(t.Context(), destinationAt(srv.URL+"/", p), eventsOf(1))); diff != "" {
			t.Errorf("%s: verdicts (-want +got):\n%s", p, diff)
		}
	}
	if diff := cmp.Diff([]string{"/i/v1/analytics/events zstd", "/batch/ gzip"}, srv.paths()); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

// A 2xx is no delivery unless it says so.
func TestA2xxWithAStrangeBodyIsNoDelivery(t *testing.T) {
	t.Parallel()
	zipped := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, s)
		_ = w.Close()
		return b.String()
	}
	one := `"` + uuidOf(0) + `":{"result":"ok"}`
	cases := []struct {
		name, path, encoding string
		status               int
		body                 string
		want                 outcome.Cause
	}{
		{"html", "v1", "", 200, "<html>Sign in</html>", outcome.UnexpectedBody},
		{"html", "batch", "", 200, "<html>Sign in</html>", outcome.UnexpectedBody},
		{"nothing", "v1", "", 200, "", outcome.UnexpectedBody},
		{"nothing", "batch", "", 200, "", outcome.UnexpectedBody},
		{"204", "v1", "", 204, "", outcome.UnexpectedBody},
		{"204", "batch", "", 204, "", outcome.UnexpectedBody},
		{"the other path's body", "v1", "", 200, `{"status":"Ok"}`, outcome.UnexpectedBody},
		{"the other path's body", "batch", "", 200, `{"results":{` + one + `}}`, outcome.UnexpectedBody},
		{"status ok in small letters", "batch", "", 200, `{"status":"ok"}`, outcome.UnexpectedBody},
		{"status 0", "batch", "", 200, `{"status":0}`, outcome.UnexpectedBody},
		{"status 1", "batch", "", 200, `{"status":1}`, outcome.OK},
		{"status Ok among others", "batch", "", 200, ` {"x":[1],"status":"Ok"} `, outcome.OK},
		{"an array", "batch", "", 200, `[{"status":"Ok"}]`, outcome.UnexpectedBody},
		{"results null", "v1", "", 200, `{"results":null}`, outcome.UnexpectedBody},
		{"results an array", "v1", "", 200, `{"results":[]}`, outcome.UnexpectedBody},
		{"no results in it", "v1", "", 200, `{"results":{}}`, outcome.NoVerdict},
		{"a result that is a word", "v1", "", 200, `{"results":{"` + uuidOf(0) + `":"ok"}}`, outcome.UnexpectedBody},
		{"a result that is a number", "v1", "", 200, `{"results":{"` + uuidOf(0) + `":{"result":1}}}`, outcome.UnexpectedBody},
		{"two results of one", "v1", "", 200, `{"results":{` + one + `,` + one + `}}`, outcome.UnexpectedBody},
		{"two results", "v1", "", 200, `{"results":{` + one + `},"results":{` + one + `}}`, outcome.UnexpectedBody},
		{"a result that says two things", "v1", "", 200, `{"results":{"` + uuidOf(0) + `":{"result":"ok","result":"drop"}}}`, outcome.UnexpectedBody},
		{"something behind it", "v1", "", 200, `{"results":{` + one + `}} x`, outcome.UnexpectedBody},
		{"half of it", "v1", "", 200, `{"results":{` + one, outcome.UnexpectedBody},
		{"the uuid in capitals", "v1", "", 200, `{"results":{` + strings.ToUpper(one) + `}}`, outcome.NoVerdict},
		{"gzip", "v1", "gzip", 200, zipped(`{"results":{` + one + `}}`), outcome.OK},
		{"gzip", "batch", "gzip", 200, zipped(`{"status":"Ok"}`), outcome.OK},
		{"gzip that is none", "batch", "gzip", 200, `{"status":"Ok"}`, outcome.UnexpectedBody},
		{"a bomb of gzip", "v1", "gzip", 200, zipped(strings.Repeat(" ", 8<<20) + `{"results":{` + one + `}}`), outcome.UnexpectedBody},
		{"an encoding unknown to us", "batch", "br", 200, "\x1b\x02", outcome.UnexpectedBody},
		{"201 with a good body", "batch", "", 201, `{"status":"Ok"}`, outcome.OK},
		{"more than is read", "batch", "", 200, `{"status":"Ok"}` + strings.Repeat(" ", 1<<20), outcome.UnexpectedBody},
	}
	for _, c := range cases {
		t.Run(c.path+" "+c.name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, func(w http.ResponseWriter, _ request) {
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			got := newSender(t).Send(t.Context(), destinationAt(srv.URL, destination.Protocol(c.path)), eventsOf(1))[0]
			action := outcome.Retry
			if c.want == outcome.OK {
				action = outcome.Accept
			}
			if got.Action != action || got.Cause != c.want || got.Status != c.status {
				t.Errorf("got %+v, want %s for %s", got, action, c.want)
			}
			if n := len(srv.requests()); n != 1 {
				t.Errorf("got %d requests, want 1", n)
			}
		})
	}
}

func TestEveryStatusHasItsVerdict(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	for _, p := range protocols() {
		for code := 300; code <= 599; code++ {
			if code%100 > 31 && code%100 != 99 && code != 451 {
				continue
			}
			srv := newServer(t, status(code, `{"error":"some_code","error_description":"what is wrong"}`))
			got := s.Send(t.Context(), destinationAt(srv.URL, p), eventsOf(2))
			srv.Close()
			action, cause := outcome.ForStatus(code)
			detail := "some_code: what is wrong"
			switch {
			case action == outcome.NextPath, action == outcome.NextEncoding:
				action = outcome.Hold
			case code == http.StatusNotModified:
				detail = "a redirect without a readable Location"
			case code < 400:
				detail = "a redirect without a readable Location"
			}
			want := uniform(2, outcome.Verdict{Action: action, Cause: cause, Status: code, Detail: detail})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %d: verdicts (-want +got):\n%s", p, code, diff)
			}
		}
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := newServer(t, allOK)
	for _, p := range protocols() {
		for _, code := range []int{301, 302, 303, 307, 308} {
			for _, to := range []string{elsewhere.URL + "/secret/path?key=1", "/login", ""} {
				srv := newServer(t, func(w http.ResponseWriter, _ request) {
					if to != "" {
						w.Header().Set("Location", to)
					}
					w.WriteHeader(code)
				})
				want := "a redirect without a readable Location"
				switch {
				case strings.HasPrefix(to, "/"):
					want = "a redirect to " + srv.URL
				case to != "":
					want = "a redirect to " + elsewhere.URL
				}
				got := newSender(t).Send(t.Context(), destinationAt(srv.URL, p), eventsOf(1))[0]
				wantVerdict := outcome.Verdict{Action: outcome.Hold, Cause: outcome.Redirected, Status: code, Detail: want}
				if diff := cmp.Diff(wantVerdict, got); diff != "" {
					t.Errorf("%s %d to %q (-want +got):\n%s", p, code, to, diff)
				}
				if n := len(srv.requests()); n != 1 {
					t.Errorf("%s %d: got %d requests, want 1", p, code, n)
				}
			}
		}
	}
	if n := len(elsewhere.requests()); n != 0 {
		t.Errorf("got %d requests elsewhere", n)
	}
}

// raw answers each connection by hand.
func raw(t *testing.T, answer func(net.Conn)) *server {
	t.Helper()
	return newServer(t, func(w http.ResponseWriter, _ request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Errorf("hijacking: %v", err)
			return
		}
		defer func() { _ = conn.Close() }()
		answer(conn)
	})
}

func reset(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }

func TestBrokenConnectionsAreTriedAgain(t *testing.T) {
	t.Parallel()
	write := func(s string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, s); reset(c) }
	}
	cases := map[string]func(net.Conn){
		"a reset instead of an answer":   reset,
		"an end instead of an answer":    func(net.Conn) {},
		"a reset in the body":            write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"status\":\"Ok\"}"),
		"an end in a chunked body":       write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
		"no HTTP":                        write("220 mail ready\r\n"),
		"a header of a megabyte":         write("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"),
		"a megabyte of small headers":    write("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: x\r\n", 1<<18) + "\r\n"),
		"half an answer of gzip, broken": write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n\x1f\x8b"),
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := raw(t, answer)
			s := newSender(t)
			for _, p := range protocols() {
				got := s.Send(t.Context(), destinationAt(srv.URL, p), eventsOf(2))
				for _, v := range got {
					if v.Action != outcome.Retry || v.Cause != outcome.Connection || v.Detail == "" {
						t.Errorf("%s: got %+v, want retry for connection", p, v)
					}
				}
			}
			if n := len(srv.requests()); n != 2 {
				t.Errorf("got %d requests, want one a path: a POST is not to be sent twice unasked", n)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		got := newSender(t).Send(t.Context(), destinationAt("http://"+l.Addr().String(), destination.V1), eventsOf(1))[0]
		if got.Action != outcome.Retry || got.Cause != outcome.Connection || got.Status != 0 {
			t.Errorf("got %+v, want retry for connection", got)
		}
	})
	t.Run("no such name", func(t *testing.T) {
		t.Parallel()
		got := newSender(t).Send(t.Context(), destinationAt("https://no-such-host.invalid", destination.V1), eventsOf(1))[0]
		if got.Action != outcome.Retry || got.Cause != outcome.Connection {
			t.Errorf("got %+v, want retry for connection", got)
		}
	})
}

// A switch of protocols would make the connection the body.
func TestA101IsAnUnexpectedStatus(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	srv := raw(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		<-done
	})
	defer close(done)
	for _, p := range protocols() {
		got := newSender(t).Send(t.Context(), destinationAt(srv.URL, p), eventsOf(1))[0]
		if got.Action != outcome.Hold || got.Cause != outcome.UnexpectedStatus || got.Status != 101 {
			t.Errorf("%s: got %+v, want hold for unexpected_status", p, got)
		}
	}
}

func TestTheDeadlineEndsWhatHangs(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request) { <-r.Context().Done() }
	answers := map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) { hang(r) },
		"in the body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"results":{`)
			_ = http.NewResponseController(w).Flush()
			hang(r)
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := unstarted(t, nil)
			srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				answer(w, r)
			})
			srv.Start()
			t.Run("of the request", func(t *testing.T) {
				s := newSender(t, func(c *Config) { c.RequestTimeout = 50 * time.Millisecond })
				checkEnds(t, s, context.Background(), srv.URL, outcome.Timeout)
			})
			t.Run("of the caller", func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				defer cancel()
				checkEnds(t, newSender(t), ctx, srv.URL, outcome.Timeout)
			})
			t.Run("shutting down", func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(50*time.Millisecond, cancel)
				checkEnds(t, newSender(t), ctx, srv.URL, outcome.Interrupted)
			})
		})
	}
	t.Run("time that is up before asks nothing", func(t *testing.T) {
		t.Parallel()
		srv := newServer(t, allOK)
		ctx, cancel := context.WithTimeout(context.Background(), -1)
		defer cancel()
		checkEnds(t, newSender(t), ctx, srv.URL, outcome.Interrupted)
		if n := len(srv.requests()); n != 0 {
			t.Errorf("got %d requests", n)
		}
	})
}

func checkEnds(t *testing.T, s *Sender, ctx context.Context, url string, want outcome.Cause) {
	t.Helper()
	start := time.Now()
	for _, v := range s.Send(ctx, destinationAt(url, destination.V1), eventsOf(2)) {
		if v.Action != outcome.Retry || v.Cause != want {
			t.Errorf("got %+v, want retry for %s", v, want)
		}
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %s", took)
	}
}

// A refusal counts as what it is, even if its body never ends.
func TestABodyWithoutEndIsCutOff(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]outcome.Cause{200: outcome.UnexpectedBody, 401: outcome.Unauthorized} {
		srv := newServer(t, func(w http.ResponseWriter, _ request) {
			w.WriteHeader(code)
			for {
				if _, err := io.WriteString(w, strings.Repeat("endless ", 1000)); err != nil {
					return
				}
			}
		})
		got := newSender(t).Send(t.Context(), destinationAt(srv.URL, destination.V1), eventsOf(1))[0]
		if got.Cause != want || got.Status != code || len(got.Detail) > maxDetail || !strings.Contains(got.Detail, "endless") {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}

// The SDK's refusals, by the SDK itself.
func TestWhatTheSDKRefusesIsJudged(t *testing.T) {
	t.Parallel()
	full := func(t *testing.T) error {
		t.Helper()
		entered, leave := make(chan struct{}, 1), make(chan struct{})
		sdk, err := posthog.NewWithConfig(testKey, posthog.Config{
			Endpoint: "http://127.0.0.1:1", Logger: silence{}, Interval: time.Hour, MaxRetries: new(0),
			BatchSize: 1, MaxQueueSize: 1, MaxEnqueuedRequests: 1, BatchSubmitTimeout: time.Hour,
			Callback: blocking{entered, leave},
		})
		if err != nil {
			t.Fatal(err)
		}
		// Too large for a message: the loop hands it to the callback, and stays there.
		_ = sdk.Enqueue(posthog.Capture{Event: "e", DistinctId: strings.Repeat("x", 600_000)})
		<-entered
		for err == nil {
			err = sdk.Enqueue(posthog.Capture{Event: "e", DistinctId: "d"})
		}
		close(leave)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = sdk.CloseWithContext(ctx)
		return err
	}
	if got, want := unsent(full(t)), retry(outcome.NoVerdict, "not sent: "+posthog.ErrQueueFull.Error()); got != want {
		t.Errorf("a full queue: got %+v, want %+v", got, want)
	}
	noop, err := posthog.NewWithConfig("", posthog.Config{Logger: silence{}})
	if err != nil {
		t.Fatal(err)
	}
	if got := unsent(noop.Enqueue(posthog.Capture{})); got.Action != outcome.Hold || got.Cause != outcome.Unauthorized {
		t.Errorf("no key: got %+v", got)
	}
	if got := unsent(posthog.Capture{}.Validate()); got.Action != outcome.Bury || got.Cause != outcome.Unencodable {
		t.Errorf("a field: got %+v", got)
	}
}

// blocking is a Callback that holds the SDK's loop.
type blocking struct{ entered, leave chan struct{} }

func (blocking) Success(posthog.APIMessage) {}

func (b blocking) Failure(_ posthog.APIMessage, err error) {
	if v := unsent(err); v.Cause == outcome.EventTooLarge {
		b.entered <- struct{}{}
		<-b.leave
	}
}

// Success of the SDK alone is no delivery, nor is our reading alone.
func TestAnAcceptNeedsTheSDKsConfirmation(t *testing.T) {
	t.Parallel()
	x := newExchange(nil)
	x.events = eventsOf(2)
	x.aim(pathBatch)
	x.answer = answer{status: 200, verdict: outcome.Verdict{Action: outcome.Accept, Cause: outcome.OK, Status: 200}}
	x.confirm(0)
	got := []outcome.Verdict{x.verdict(0), x.verdict(1)}
	want := accepted(2)
	want[1] = outcome.Verdict{Action: outcome.Retry, Cause: outcome.NoVerdict, Status: 200, Detail: "the SDK did not confirm it"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}
