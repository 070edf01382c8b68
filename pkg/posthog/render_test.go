package posthog

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

const (
	stubV1    = `{"event":"$ai_generation","uuid":"UUID","distinct_id":"d","timestamp":"2020-01-01T00:00:00Z","options":{"disable_skew_correction":true},"properties":{"$os":"x"}}`
	stubBatch = `{"uuid":"UUID","timestamp":"2020-01-01T00:00:00Z","distinct_id":"d","event":"$ai_generation","properties":{"$lib":"x"}}`
)

func stubs(stub string, n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, strings.ReplaceAll(stub, "UUID", uuidOf(i)))
	}
	return strings.Join(parts, ",")
}

// An SDK that has changed must fail loudly, not send stubs.
func TestAnUnknownShapeIsNeverSent(t *testing.T) {
	t.Parallel()
	v1 := func(events string) string { return `{"created_at":"x","batch":[` + events + `]}` }
	replace := func(from, to string) string { return v1(strings.Replace(stubs(stubV1, 2), from, to, 1)) }
	cases := []struct {
		name string
		path path
		body string
		good bool
	}{
		{"v1 as it is", pathV1, v1(stubs(stubV1, 2)), true},
		{"v1 with spaces", pathV1, " " + strings.ReplaceAll(v1(stubs(stubV1, 2)), ",\"", " ,\n\t\""), true},
		{"v1 with more of its own", pathV1, replace(`"distinct_id"`, `"session_id":{"a":[1]},"distinct_id"`), true},
		{"batch as it is", pathBatch, `{"api_key":"phc_stub","batch":[` + stubs(stubBatch, 2) + `]}`, true},

		{"not JSON", pathV1, `nonsense`, false},
		{"nothing", pathV1, ``, false},
		{"an array", pathV1, `[` + stubs(stubV1, 2) + `]`, false},
		{"the batch under another name", pathV1, `{"events":[` + stubs(stubV1, 2) + `]}`, false},
		{"the batch as an object", pathV1, `{"batch":{}}`, false},
		{"the batch twice", pathV1, `{"batch":[` + stubs(stubV1, 2) + `],"batch":[` + stubs(stubV1, 2) + `]}`, false},
		{"an event too few", pathV1, v1(stubs(stubV1, 1)), false},
		{"an event too many", pathV1, v1(stubs(stubV1, 3)), false},
		{"an event that is a string", pathV1, v1(`"x",` + stubs(stubV1, 1)), false},
		{"events in another order", pathV1, v1(strings.Replace(stubs(stubV1, 2), uuidOf(0), uuidOf(1), 1)), false},
		{"a uuid that is a number", pathV1, replace(`"`+uuidOf(0)+`"`, `1`), false},
		{"properties under another name", pathV1, replace(`"properties"`, `"props"`), false},
		{"properties twice", pathV1, replace(`"options":{"disable_skew_correction":true}`, `"properties":{}`), false},
		{"no timestamp", pathV1, replace(`"timestamp":"2020-01-01T00:00:00Z",`, ``), false},
		{"no uuid", pathV1, replace(`"uuid":"`+uuidOf(0)+`",`, ``), false},
		{"no options", pathV1, replace(`"options":{"disable_skew_correction":true},`, ``), false},
		{"other options", pathV1, replace(`{"disable_skew_correction":true}`, `{}`), false},
		{"options of a person", pathV1, replace(`{"disable_skew_correction":true}`, optionsPersonless), false},
		{"options on batch", pathBatch, `{"api_key":"phc_stub","batch":[` + strings.Replace(stubs(stubBatch, 2), `"event"`, `"options":{"disable_skew_correction":true},"event"`, 1) + `]}`, false},
		{"another key", pathBatch, `{"api_key":"k","batch":[` + stubs(stubBatch, 2) + `]}`, false},
		{"no key", pathBatch, `{"batch":[` + stubs(stubBatch, 2) + `]}`, false},
		{"the key twice", pathBatch, `{"api_key":"phc_stub","api_key":"phc_stub","batch":[` + stubs(stubBatch, 2) + `]}`, false},
		{"something behind it", pathV1, v1(stubs(stubV1, 2)) + `{}`, false},
		{"cut off", pathV1, v1(stubs(stubV1, 2))[:200], false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, allOK)
			s := newSender(t)
			batch := eventsOf(2)
			x := aimed(t, s, srv, c.path, batch)
			req := httptest.NewRequest(http.MethodPost, srv.URL+string(c.path), strings.NewReader(c.body))
			req.RequestURI = ""
			req.Header.Set("Authorization", "Bearer "+stubKey)
			err := trip(x, req)
			reqs := srv.requests()
			if c.good {
				checkRendered(t, c.path, batch, reqs, err)
				return
			}
			v := x.verdict(0)
			if !errors.Is(err, errShape) || v.Action != outcome.Hold || v.Cause != outcome.Unencodable {
				t.Errorf("got %v and %+v, want errShape and a hold", err, v)
			}
			if len(reqs) != 0 {
				t.Errorf("it was sent: %s", reqs[0].Raw)
			}
		})
	}
}

// trip makes a round trip as the SDK would.
func trip(x *exchange, req *http.Request) error {
	res, err := x.roundTrip(req)
	if res != nil {
		_ = res.Body.Close()
	}
	return err
}

func checkRendered(t *testing.T, p path, batch []*event.Event, reqs []request, err error) {
	t.Helper()
	if err != nil || len(reqs) != 1 {
		t.Fatalf("got %v and %d requests, want one", err, len(reqs))
	}
	for i, e := range batch {
		want := string(e.Properties)
		if p == pathBatch {
			want = string(e.AppendProperties(nil))
		}
		got := reqs[0].Body.Batch[i]
		if string(got.Properties) != want || got.Timestamp != string(e.AppendTimestamp(nil)) || got.UUID != e.UUID {
			t.Errorf("event %d: got %+v", i, got)
		}
	}
}

func TestTheSDKMakesNoOtherRequests(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	s := newSender(t)
	begin := func() *exchange {
		x := newExchange(s)
		x.begin(t.Context(), destinationAt(srv.URL, destination.V1))
		x.screen(eventsOf(1), make([]outcome.Verdict, 1))
		x.aim(pathV1)
		return x
	}
	body := func() *strings.Reader { return strings.NewReader(`{"batch":[` + stubs(stubV1, 1) + `]}`) }
	for name, req := range map[string]*http.Request{
		"flags":        httptest.NewRequest(http.MethodPost, srv.URL+"/flags/?v=2", body()),
		"another path": httptest.NewRequest(http.MethodPost, srv.URL+"/batch/", body()),
		"a query":      httptest.NewRequest(http.MethodPost, srv.URL+string(pathV1)+"?a=b", body()),
		"another verb": httptest.NewRequest(http.MethodPut, srv.URL+string(pathV1), body()),
	} {
		req.Header.Set("Authorization", "Bearer "+stubKey)
		if err := trip(begin(), req); !errors.Is(err, errShape) {
			t.Errorf("%s: got %v, want errShape", name, err)
		}
	}
	if n := len(srv.requests()); n != 0 {
		t.Fatalf("got %d requests", n)
	}
	x := begin()
	for i, want := range []error{nil, errNotOurs} {
		req := httptest.NewRequest(http.MethodPost, srv.URL+string(pathV1), body())
		req.Header.Set("Authorization", "Bearer "+stubKey)
		err := trip(x, req)
		if !errors.Is(err, want) {
			t.Errorf("request %d of one exchange: got %v, want %v", i, err, want)
		}
	}
	c := &client{}
	res, err := c.RoundTrip(httptest.NewRequest(http.MethodPost, srv.URL+string(pathV1), body()))
	if res != nil {
		_ = res.Body.Close()
	}
	if !errors.Is(err, errNotOurs) {
		t.Errorf("outside of a send: got %v, want errNotOurs", err)
	}
	if n := len(srv.requests()); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
}

func FuzzResults(f *testing.F) {
	for _, s := range []string{`{"results":{"` + uuidOf(0) + `":{"result":"ok"}}}`, `{"results":{}}`, `{`, ``, `{"results":{"x":{"result":"drop","details":"\u0000"}}}`} {
		f.Add(s)
	}
	x := newExchange(nil)
	x.events = eventsOf(2)
	for i, e := range x.events {
		x.index[e.UUID] = i
	}
	x.aim(pathV1)
	f.Fuzz(func(t *testing.T, s string) {
		x.body.Reset()
		x.body.WriteString(s)
		n := 0
		err := x.parseResults(func(i int, _, _ string) {
			if n++; i < 0 || i > 1 {
				t.Errorf("event %d", i)
			}
		})
		if n > len(x.events) || err != nil && !errors.Is(err, errForeign) {
			t.Errorf("%d results, %v", n, err)
		}
	})
}
