package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

func TestLegacyRefusesABatchForOneBadEvent(t *testing.T) {
	t.Parallel()
	good := newEvent().json()
	bad := func(change func(*event)) string { return legacy(good, with(change).json()) }
	tests := map[string]struct {
		body   string
		status int
	}{
		"no JSON":                        {"nonsense", 400},
		"nothing":                        {"", 400},
		"an array":                       {"[]", 400},
		"an empty batch":                 {legacy(), 400},
		"no batch":                       {`{"api_key":"` + key + `"}`, 400},
		"no key":                         {`{"batch":[` + good + `]}`, 401},
		"an empty key":                   {`{"api_key":" ","batch":[` + good + `]}`, 401},
		"a personal key":                 {`{"api_key":"phx_abc","batch":[` + good + `]}`, 401},
		"a key of 65 characters":         {`{"api_key":"` + strings.Repeat("x", 65) + `","batch":[` + good + `]}`, 401},
		"a key that is a number":         {`{"api_key":7,"batch":[` + good + `]}`, 400},
		"an event that is null":          {legacy(good, "null"), 400},
		"no event name":                  {legacy(good, `{"distinct_id":"d"}`), 400},
		"an empty event name":            {bad(func(e *event) { e.name = "" }), 400},
		"an empty distinct id":           {bad(func(e *event) { e.distinctID = "" }), 400},
		"a distinct id of spaces":        {bad(func(e *event) { e.distinctID = " \t" }), 400},
		"no distinct id":                 {legacy(good, `{"event":"e"}`), 400},
		"a distinct id that is null":     {legacy(good, `{"event":"e","distinct_id":null}`), 400},
		"a malformed uuid":               {bad(func(e *event) { e.id = "x" }), 400},
		"properties that are an array":   {bad(func(e *event) { e.properties = "[]" }), 400},
		"properties that are null":       {bad(func(e *event) { e.properties = "null" }), 400},
		"a timestamp that is a number":   {legacy(good, `{"event":"e","distinct_id":"d","timestamp":7}`), 400},
		"nesting of 128 levels":          {bad(func(e *event) { e.properties = nested(128 - 3) }), 400},
		"1e400":                          {bad(func(e *event) { e.properties = `{"n":1e400}` }), 400},
		"invalid UTF-8":                  {bad(func(e *event) { e.properties = "{\"s\":\"\xff\"}" }), 400},
		"a lone surrogate":               {bad(func(e *event) { e.properties = `{"s":"\ud83d"}` }), 400},
		"an AI event over 983,040 bytes": {legacy(good, sized(t, "$ai_trace", sandbox.MaxAIEventBytes+1).json()), 413},
		"a body over 20 MiB":             {legacy(good) + strings.Repeat(" ", sandbox.MaxLegacyBytes), 413},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sandbox.Config{})
			got := mustSend(t, s, request{path: sandbox.PathBatch, body: test.body})
			if got.status != test.status || got.body == "" {
				t.Errorf("got %d %q, want %d", got.status, got.body, test.status)
			}
			if n := s.Count(); n != 0 {
				t.Errorf("got %d events taken, want none", n)
			}
		})
	}
}

func TestLegacyTakesABatch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		event string
		want  sandbox.Taken // of what the case is about
	}{
		"an event": {
			`{"event":"e","uuid":"0191D3E4-0000-7000-8000-00000000000A","distinct_id":" d ","timestamp":"2026-01-02","properties":{"a": 1}}`,
			sandbox.Taken{UUID: "0191d3e4-0000-7000-8000-00000000000a", DistinctID: " d ", Timestamp: "2026-01-02", Properties: []byte(`{"a": 1}`)},
		},
		"a distinct id of 201 bytes, cut": {
			with(func(e *event) { e.distinctID, e.properties = strings.Repeat("x", 201), "{}" }).json(),
			sandbox.Taken{DistinctID: strings.Repeat("x", 200), Timestamp: "2026-01-02T03:04:05.678Z", Properties: []byte("{}")},
		},
		"a distinct id over 200 characters, cut between them": {
			with(func(e *event) { e.distinctID, e.properties = strings.Repeat("é", 201), "{}" }).json(),
			sandbox.Taken{DistinctID: strings.Repeat("é", 200), Timestamp: "2026-01-02T03:04:05.678Z", Properties: []byte("{}")},
		},
		"a distinct id that is a number": {
			`{"event":"e","distinct_id":23.4,"timestamp":"t"}`,
			sandbox.Taken{DistinctID: "23.4", Timestamp: "t", Properties: []byte("{}")},
		},
		"a distinct id by its other name": {
			`{"event":"e","$distinct_id":"d","timestamp":"t"}`,
			sandbox.Taken{DistinctID: "d", Timestamp: "t", Properties: []byte("{}")},
		},
		"a distinct id in the properties": {
			`{"event":"e","distinct_id":null,"timestamp":"t","properties":{"distinct_id":"d"}}`,
			sandbox.Taken{DistinctID: "d", Timestamp: "t", Properties: []byte(`{"distinct_id":"d"}`)},
		},
		"keys that come twice, the last one": {
			`{"event":"e","distinct_id":"c","distinct_id":"d","timestamp":"t"}`,
			sandbox.Taken{DistinctID: "d", Timestamp: "t", Properties: []byte("{}")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sandbox.Config{})
			got := sendLegacy(t, s, test.event)
			if want := `{"status":"Ok"}`; got.status != http.StatusOK || got.body != want {
				t.Fatalf("got %d %q, want 200 %q", got.status, got.body, want)
			}
			taken := s.Taken()[0]
			if test.want.UUID == "" {
				test.want.UUID = taken.UUID // made up, or the test's own
			}
			test.want.APIKey, test.want.Path, test.want.Event = key, sandbox.PathBatch, taken.Event
			test.want.ReceivedAt, test.want.Request = taken.ReceivedAt, 1
			if diff := cmp.Diff(test.want, taken); diff != "" {
				t.Error("taken (-want +got):", diff)
			}
		})
	}
}

func TestLegacyTakesEventsWithoutUUIDAsDistinct(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	sendLegacy(t, s, `{"event":"e","distinct_id":"d"}`, `{"event":"e","distinct_id":"d","uuid":""}`)
	if s.Count() != 2 || s.Duplicates() != 0 {
		t.Errorf("got %d distinct and %d duplicates, want 2 and 0", s.Count(), s.Duplicates())
	}
	if got := s.Taken()[0].Timestamp; got == "" {
		t.Error("got no timestamp, want that of arrival")
	}
}

func TestLegacyTakesAnInventedKeyUnderEitherName(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{KnownKeys: []string{"phc_known"}})
	e := newEvent().json()
	for _, body := range []string{legacy(e), `{"token":"` + key + `","batch":[` + e + `],"sent_at":"2026-01-02T03:04:05Z"}`} {
		if got := mustSend(t, s, request{path: "/batch", body: body}); got.status != http.StatusOK {
			t.Errorf("got %d %s, want 200", got.status, got.body)
		}
	}
	if s.Count() != 1 || s.Duplicates() != 1 {
		t.Errorf("got %d distinct and %d duplicates, want 1 and 1", s.Count(), s.Duplicates())
	}
}

func TestLegacyDropsSilentlyOverQuota(t *testing.T) {
	t.Parallel()
	for quota, taken := range map[sandbox.Quota]int{sandbox.QuotaEvents: 0, sandbox.QuotaRefused: 0, sandbox.QuotaLLM: 1} {
		s := start(t, sandbox.Config{OverQuota: map[string]sandbox.Quota{key: quota}})
		got := sendLegacy(t, s, newEvent().json(), with(func(e *event) { e.name = "$pageview" }).json())
		if got.status != http.StatusOK || got.body != `{"status":"Ok"}` {
			t.Errorf("%s: got %d %q, want a plain 200", quota, got.status, got.body)
		}
		if s.Count() != taken || s.Dropped() != 2-taken {
			t.Errorf("%s: got %d taken and %d dropped, want %d and %d", quota, s.Count(), s.Dropped(), taken, 2-taken)
		}
	}
}

func TestTheLegacyAILaneRefusesABatchWithAnotherEvent(t *testing.T) {
	t.Parallel()
	large := sized(t, "$ai_embedding", sandbox.MaxAIEventBytes+1).json()
	tests := map[string]struct {
		body   string
		status int
	}{
		"AI events":              {legacy(newEvent().json(), large), 200},
		"another event":          {legacy(newEvent().json(), with(func(e *event) { e.name = "$pageview" }).json()), 400},
		"an AI event over 8 MiB": {legacy(sized(t, "$ai_span", sandbox.MaxAILaneBytes+1).json()), 413},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sandbox.Config{})
			got := mustSend(t, s, request{path: sandbox.PathAIBatch, body: test.body})
			if got.status != test.status || (s.Count() > 0) != (test.status == 200) {
				t.Errorf("got %d %q with %d taken, want %d", got.status, got.body, s.Count(), test.status)
			}
		})
	}
}
