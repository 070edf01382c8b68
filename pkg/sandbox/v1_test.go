package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

// with is an event with something changed.
func with(change func(*event)) event {
	e := newEvent()
	change(&e)
	return e
}

func TestV1JudgesEachEventAlone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		bad  event
		want string
	}{
		"an empty event name":               {with(func(e *event) { e.name = "" }), "drop missing_event_name"},
		"an event name of 201 bytes":        {with(func(e *event) { e.name = strings.Repeat("x", 201) }), "drop event_name_too_long"},
		"an event name of 200 bytes":        {with(func(e *event) { e.name = strings.Repeat("x", 200) }), "ok"},
		"an empty distinct id":              {with(func(e *event) { e.distinctID = "" }), "drop missing_distinct_id"},
		"a distinct id of spaces":           {with(func(e *event) { e.distinctID = " \t " }), "drop missing_distinct_id"},
		"a distinct id of 201 bytes":        {with(func(e *event) { e.distinctID = strings.Repeat("é", 100) + "x" }), "drop distinct_id_too_large"},
		"a distinct id of 200 bytes":        {with(func(e *event) { e.distinctID = strings.Repeat("é", 100) }), "ok"},
		"a junk distinct id":                {with(func(e *event) { e.distinctID = "Anonymous" }), "ok person_processing_disabled"},
		"a date for a timestamp":            {with(func(e *event) { e.timestamp = "2026-01-02" }), "drop invalid_event_timestamp"},
		"a timestamp without a zone":        {with(func(e *event) { e.timestamp = "2026-01-02T03:04:05" }), "drop invalid_event_timestamp"},
		"a timestamp with a decimal comma":  {with(func(e *event) { e.timestamp = "2026-01-02T03:04:05,5Z" }), "drop invalid_event_timestamp"},
		"a timestamp with a one-digit hour": {with(func(e *event) { e.timestamp = "2026-01-02T3:04:05.12Z" }), "drop invalid_event_timestamp"},
		"a timestamp with a space":          {with(func(e *event) { e.timestamp = "2026-01-02 03:04:05z" }), "ok"},
		"an empty timestamp":                {with(func(e *event) { e.timestamp = "" }), "drop invalid_event_timestamp"},
		"a timestamp with an offset":        {with(func(e *event) { e.timestamp = "2026-01-02T03:04:05.123456789+02:00" }), "ok"},
		"properties that are an array":      {with(func(e *event) { e.properties = "[]" }), "drop malformed_event_properties"},
		"properties that are a string":      {with(func(e *event) { e.properties = `"x"` }), "drop malformed_event_properties"},
		"properties that are null":          {with(func(e *event) { e.properties = "null" }), "drop malformed_event_properties"},
		"options that are an array":         {with(func(e *event) { e.options = "[]" }), "drop invalid_options"},
		"an option of the wrong type":       {with(func(e *event) { e.options = `{"process_person_profile":"maybe"}` }), "drop invalid_options"},
		"options that can be coerced":       {with(func(e *event) { e.options = `{"process_person_profile":"0","cookieless_mode":1,"x":[]}` }), "ok"},
		"an AI event over 983,040 bytes":    {sized(t, "$ai_generation", sandbox.MaxAIEventBytes+1), "drop ai_event_too_big"},
		"an AI event of 983,040 bytes":      {sized(t, "$ai_generation", sandbox.MaxAIEventBytes), "ok"},
		"another event of 984,000 bytes":    {sized(t, "$pageview", 984_000), "ok"},
		"duplicate keys in an object":       {with(func(e *event) { e.properties = `{"a":1,"a":2}` }), "ok"},
		"nesting at the reader's limit":     {with(func(e *event) { e.properties = nested(127 - 3) }), "ok"},
		"a number at the double's limit":    {with(func(e *event) { e.properties = `{"n":1e308,"m":1e-400}` }), "ok"},
		"a surrogate pair in escapes":       {with(func(e *event) { e.properties = `{"s":"\ud83d\ude00"}` }), "ok"},
		"a NUL in escapes":                  {with(func(e *event) { e.properties = `{"s":"\u0000"}` }), "ok"},
		"a uuid with spaces around":         {with(func(e *event) { e.id = " " + e.id + " " }), "ok"},
		"a uuid in capitals":                {with(func(e *event) { e.id = strings.ToUpper(e.id) }), "ok"},
		"an event of unknown members":       {with(func(e *event) { e.properties = `{},"unknown":{}` }), "ok"},
		"a session id for the properties":   {with(func(e *event) { e.properties = `{},"session_id":"s"` }), "ok"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sandbox.Config{})
			good := newEvent()
			got := verdicts(t, sendV1(t, s, test.bad.json(), good.json()))
			canonical := strings.ToLower(strings.TrimSpace(test.bad.id))
			want := map[string]string{canonical: test.want, good.id: "ok"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("verdicts (-want +got):", diff)
			}
			taken := 1
			if strings.HasPrefix(test.want, "ok") {
				taken = 2
			}
			if got := s.Count(); got != taken {
				t.Errorf("got %d events taken, want %d", got, taken)
			}
		})
	}
}

func TestV1DropsAnEventThatLacksAKeyUnlessStrict(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	id := uuid.NewString()
	for lacking, want := range map[string]string{
		`{"uuid":"` + id + `","distinct_id":"d","timestamp":"2026-01-02T03:04:05Z"}`: "drop missing_event_name",
		`{"uuid":"` + id + `","event":"e","timestamp":"2026-01-02T03:04:05Z"}`:       "drop missing_distinct_id",
		`{"uuid":"` + id + `","event":"e","distinct_id":"d"}`:                        "drop invalid_event_timestamp",
	} {
		if got := verdicts(t, sendV1(t, s, lacking))[id]; got != want {
			t.Errorf("%s: got %q, want %q", lacking, got, want)
		}
	}
}

func TestV1RefusesABatchAsAWhole(t *testing.T) {
	t.Parallel()
	good, twice := newEvent().json(), newEvent().json()
	tests := map[string]struct {
		request request
		cfg     sandbox.Config
		status  int
		tag     string
	}{
		"no token":                     {request{body: v1(good)}, sandbox.Config{}, 401, "invalid_api_token"},
		"another scheme":               {request{body: v1(good), header: http.Header{"Authorization": {"Basic x"}}}, sandbox.Config{}, 401, "invalid_api_token"},
		"a personal key":               {request{key: "phx_abc", body: v1(good)}, sandbox.Config{}, 401, "invalid_api_token"},
		"a token of 65 characters":     {request{key: strings.Repeat("x", 65), body: v1(good)}, sandbox.Config{}, 401, "invalid_api_token"},
		"a token with a space":         {request{key: "phc_a b", body: v1(good)}, sandbox.Config{}, 401, "invalid_api_token"},
		"a token that isn't ASCII":     {request{key: "phc_é", body: v1(good)}, sandbox.Config{}, 401, "invalid_api_token"},
		"an empty body":                {request{key: key}, sandbox.Config{}, 400, "empty_body"},
		"no JSON":                      {request{key: key, body: "nonsense"}, sandbox.Config{}, 400, "request_parsing_error"},
		"JSON and more":                {request{key: key, body: v1(good) + "x"}, sandbox.Config{}, 400, "request_parsing_error"},
		"an array":                     {request{key: key, body: "[" + good + "]"}, sandbox.Config{}, 400, "request_parsing_error"},
		"an empty batch":               {request{key: key, body: v1()}, sandbox.Config{}, 400, "empty_batch"},
		"no batch":                     {request{key: key, body: `{}`}, sandbox.Config{}, 400, "empty_batch"},
		"an event that is a number":    {request{key: key, body: v1(good, "7")}, sandbox.Config{}, 400, "request_parsing_error"},
		"a name that is a number":      {request{key: key, body: v1(good, `{"event":7}`)}, sandbox.Config{}, 400, "request_parsing_error"},
		"no uuid":                      {request{key: key, body: v1(good, `{"event":"e"}`)}, sandbox.Config{}, 400, "missing_event_uuid"},
		"an empty uuid":                {request{key: key, body: v1(good, with(func(e *event) { e.id = " " }).json())}, sandbox.Config{}, 400, "missing_event_uuid"},
		"a malformed uuid":             {request{key: key, body: v1(good, with(func(e *event) { e.id = "x" }).json())}, sandbox.Config{}, 400, "invalid_event_uuid"},
		"a duplicate uuid":             {request{key: key, body: v1(twice, good, twice)}, sandbox.Config{}, 400, "duplicate_event_uuid"},
		"a bad created_at":             {request{key: key, body: `{"created_at":"today","batch":[` + good + `]}`}, sandbox.Config{}, 400, "invalid_batch"},
		"nesting of 128 levels":        {request{key: key, body: v1(good, with(func(e *event) { e.properties = nested(128 - 3) }).json())}, sandbox.Config{}, 400, "request_parsing_error"},
		"1e400":                        {request{key: key, body: v1(good, with(func(e *event) { e.properties = `{"n":-1e400}` }).json())}, sandbox.Config{}, 400, "request_parsing_error"},
		"a number of 400 digits":       {request{key: key, body: v1(good, with(func(e *event) { e.properties = `{"n":` + strings.Repeat("9", 400) + `}` }).json())}, sandbox.Config{}, 400, "request_parsing_error"},
		"invalid UTF-8":                {request{key: key, body: v1(good, with(func(e *event) { e.properties = "{\"s\":\"\xff\"}" }).json())}, sandbox.Config{}, 400, "request_parsing_error"},
		"a lone surrogate":             {request{key: key, body: v1(good, with(func(e *event) { e.properties = `{"s":"\ud83d"}` }).json())}, sandbox.Config{}, 400, "request_parsing_error"},
		"a lone low surrogate":         {request{key: key, body: v1(good, with(func(e *event) { e.properties = `{"s":"\ude00x"}` }).json())}, sandbox.Config{}, 400, "request_parsing_error"},
		"an attempt of zero":           {request{key: key, body: v1(good), header: http.Header{"Posthog-Attempt": {"0"}}}, sandbox.Config{}, 400, "invalid_header_value"},
		"a request id that is none":    {request{key: key, body: v1(good), header: http.Header{"Posthog-Request-Id": {"x"}}}, sandbox.Config{}, 400, "invalid_header_value"},
		"a request time that is none":  {request{key: key, body: v1(good), header: http.Header{"Posthog-Request-Timestamp": {"x"}}}, sandbox.Config{}, 400, "invalid_header_value"},
		"an unknown encoding":          {request{key: key, body: v1(good), encoding: "lz4"}, sandbox.Config{}, 415, "unsupported_encoding"},
		"two encodings":                {request{key: key, body: v1(good), encoding: "gzip, br"}, sandbox.Config{}, 415, "unsupported_encoding"},
		"a body over 10 MiB":           {request{key: key, body: strings.Repeat(" ", sandbox.MaxV1WireBytes+1)}, sandbox.Config{}, 413, "payload_too_large"},
		"a key over quota":             {request{key: key, body: v1(good)}, sandbox.Config{OverQuota: map[string]sandbox.Quota{key: sandbox.QuotaRefused}}, 402, "billing_limit_exceeded"},
		"strict: no headers":           {request{key: key, body: v1(good)}, sandbox.Config{Strict: true}, 400, "missing_required_headers"},
		"strict: another content type": {request{key: key, body: v1(good), header: strictHeader("text/plain")}, sandbox.Config{Strict: true}, 415, "unsupported_content_type"},
		"strict: no created_at":        {request{key: key, body: `{"batch":[` + good + `]}`, header: strictHeader("application/json")}, sandbox.Config{Strict: true}, 400, "request_parsing_error"},
		"strict: no distinct id":       {request{key: key, body: v1(`{"event":"e","uuid":"` + uuid.NewString() + `","timestamp":"2026-01-02T03:04:05Z"}`), header: strictHeader("application/json")}, sandbox.Config{Strict: true}, 400, "request_parsing_error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, test.cfg)
			test.request.path = sandbox.PathV1
			got := mustSend(t, s, test.request)
			var body struct {
				Error       string `json:"error"`
				Description string `json:"error_description"`
			}
			if err := json.Unmarshal([]byte(got.body), &body); err != nil {
				t.Fatalf("got body %q: %v", got.body, err)
			}
			if got.status != test.status || body.Error != test.tag || body.Description == "" {
				t.Errorf("got %d %+v, want %d %s", got.status, body, test.status, test.tag)
			}
			if n := s.Count(); n != 0 {
				t.Errorf("got %d events taken, want none", n)
			}
		})
	}
}

func strictHeader(contentType string) http.Header {
	return http.Header{
		"Content-Type":              {contentType},
		"User-Agent":                {"test"},
		"Posthog-Sdk-Info":          {"test/1"},
		"Posthog-Attempt":           {"1"},
		"Posthog-Request-Id":        {uuid.NewString()},
		"Posthog-Request-Timestamp": {"2026-01-02T03:04:05Z"},
	}
}

func TestV1TakesAWellFormedRequestWhenStrict(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{Strict: true})
	e := newEvent()
	got := mustSend(t, s, request{
		path: sandbox.PathV1, key: key, body: v1(e.json()), header: strictHeader("application/json; charset=utf-8"),
	})
	if v := verdicts(t, got)[e.id]; v != "ok" {
		t.Errorf("got %q, want ok", v)
	}
}

func TestV1FoldsOptionsIntoThePropertiesThatItTakes(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	e := with(func(e *event) {
		e.distinctID = " u-1 "
		e.properties = "{\n\t\"a\": \"x\\ny\",\r\n\"$lib\":\"mine\" }\n,\"session_id\":\"s\",\"window_id\":\"w\""
		e.options = `{"process_person_profile": false, "disable_skew_correction": true, "product_tour_id": 7}`
	})
	got := mustSend(t, s, request{
		path: sandbox.PathV1 + "/", key: " " + key + " ", body: v1(e.json()),
		header: http.Header{"Posthog-Sdk-Info": {"hogcast/1.2.3"}},
	})
	if v := verdicts(t, got)[e.id]; v != "ok" {
		t.Fatalf("got %q, want ok", v)
	}
	taken := s.Taken()[0]
	wantProps := `{"a":"x\ny","$lib":"mine","$session_id":"s","$window_id":"w","$ignore_sent_at":true,` +
		`"$product_tour_id":"7","$process_person_profile":false}`
	want := sandbox.Taken{
		APIKey: key, Path: sandbox.PathV1 + "/", Event: e.name, UUID: e.id, DistinctID: "u-1", Timestamp: e.timestamp,
		Properties: json.RawMessage(wantProps), Options: json.RawMessage(e.options),
		ReceivedAt: taken.ReceivedAt, Request: 1,
	}
	if diff := cmp.Diff(want, taken); diff != "" {
		t.Error("taken (-want +got):", diff)
	}
}

func TestV1FoldsNothingIntoEmptyProperties(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		`{}`:           `{"$process_person_profile":false}`,
		"{ \n }":       `{"$process_person_profile":false}`,
		`{  }`:         `{"$process_person_profile":false}`,
		`{"a":{} }`:    `{"a":{},"$process_person_profile":false}`,
		`{"a":"{"}`:    `{"a":"{","$process_person_profile":false}`,
		`{"a":[{}]  }`: `{"a":[{}],"$process_person_profile":false}`,
	} {
		s := start(t, sandbox.Config{})
		sendV1(t, s, with(func(e *event) { e.properties, e.options = given, `{"process_person_profile":false}` }).json())
		if got := string(s.Taken()[0].Properties); got != want {
			t.Errorf("%s: got %s, want %s", given, got, want)
		}
	}
}

func TestV1TellsQuotaAndWarnings(t *testing.T) {
	t.Parallel()
	const events, llm, warned = "phc_events", "phc_llm", "phc_warned"
	s := start(t, sandbox.Config{
		OverQuota:           map[string]sandbox.Quota{events: sandbox.QuotaEvents, llm: sandbox.QuotaLLM},
		PersonProcessingOff: []string{warned},
	})
	ai, page := newEvent(), with(func(e *event) { e.name = "$pageview" })
	for key, want := range map[string]map[string]string{
		events: {ai.id: "drop billing_limit_exceeded", page.id: "drop billing_limit_exceeded"},
		llm:    {ai.id: "drop llm_events_over_quota", page.id: "ok"},
		warned: {ai.id: "warning person_processing_disabled", page.id: "warning person_processing_disabled"},
		key:    {ai.id: "ok", page.id: "ok"},
	} {
		got := verdicts(t, mustSend(t, s, request{path: sandbox.PathV1, key: key, body: v1(ai.json(), page.json())}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got): %s", key, diff)
		}
	}
	if s.Count() != 5 || s.Dropped() != 3 {
		t.Errorf("got %d taken and %d dropped, want 5 and 3", s.Count(), s.Dropped())
	}
}

func TestTheAILaneTakesLargeAIEventsAndNoOthers(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	tests := map[string]event{
		"ok":                    sized(t, "$ai_span", sandbox.MaxAIEventBytes+1),
		"drop ai_event_too_big": sized(t, "$ai_span", sandbox.MaxAILaneBytes+1),
		"drop misrouted_event":  with(func(e *event) { e.name = "$pageview" }),
	}
	for want, e := range tests {
		got := verdicts(t, mustSend(t, s, request{path: sandbox.PathV1AI, key: key, body: v1(e.json())}))
		if got[e.id] != want {
			t.Errorf("got %q, want %q", got[e.id], want)
		}
	}
}

// sized is an event whose JSON has exactly n bytes.
func sized(t *testing.T, name string, n int) event {
	t.Helper()
	e := with(func(e *event) { e.name, e.properties = name, `{"x":""}` })
	e.properties = `{"x":"` + strings.Repeat("x", n-len(e.json())) + `"}`
	if got := len(e.json()); got != n {
		t.Fatalf("made an event of %d bytes, want %d", got, n)
	}
	return e
}

// nested is an object with n levels.
func nested(n int) string {
	return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
}
