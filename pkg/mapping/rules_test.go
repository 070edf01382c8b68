package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/event"
)

// absent stands for "no such property" in want columns.
const absent = "<absent>"

func TestFieldsBecomeProperties(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fields string
		want         map[string]string // property → JSON
	}{
		{"trace_id is the trace", `"trace":{"trace_id":"t1"}`, map[string]string{"$ai_trace_id": `"t1"`, "$ai_span_id": `"gen-1"`, "metadata_trace_id": absent}},
		{"without one the record's id is", ``, map[string]string{"$ai_trace_id": `"gen-1"`}},
		{"an empty trace_id gives none and is kept", `"trace":{"trace_id":""}`, map[string]string{"$ai_trace_id": `"gen-1"`, "metadata_trace_id": `""`}},
		{"a number as trace_id keeps its digits", `"trace":{"trace_id":12345678901234567890}`, map[string]string{"$ai_trace_id": `"12345678901234567890"`}},
		{"a boolean as generation_name is written as a string", `"trace":{"generation_name":true}`, map[string]string{"$ai_span_name": `"true"`}},
		{"trace_name is a plain property", `"trace":{"trace_name":"T"}`, map[string]string{"trace_name": `"T"`, "$ai_trace_name": absent, "metadata_trace_name": absent}},
		{"an object as trace_name is metadata", `"trace":{"trace_name":{"a":1}}`, map[string]string{"trace_name": absent, "metadata_trace_name": `{"a":1}`}},
		{"null as trace_name is metadata", `"trace":{"trace_name":null}`, map[string]string{"trace_name": absent, "metadata_trace_name": `null`}},
		{"span_name is metadata", `"trace":{"span_name":"s","parent_span_id":"p"}`, map[string]string{"metadata_span_name": `"s"`, "metadata_parent_span_id": `"p"`}},
		{"metadata can't overwrite a native property", `"trace":{"$ai_model":"evil","$ai_input":[1]}`, map[string]string{"$ai_model": `"openai/gpt-4o"`, "metadata_$ai_model": `"evil"`, "$ai_input": absent}},
		{"a trace that is a string", `"trace":"tr"`, map[string]string{"metadata_trace": `"tr"`, "hogcast_dropped_fields": absent}},
		{"a trace that is an array", `"trace":[1,[2,[3,[4]]]]`, map[string]string{"metadata_trace": `[1,[2,[3,"[truncated]"]]]`}},
		{"the last of two keys wins, spelt with escapes or not", `"trace":{"a":1,"\u0061":2}`, map[string]string{"metadata_a": `2`}},
		{"three levels stay", `"trace":{"k":{"a":{"b":{"c":1}}}}`, map[string]string{"metadata_k": `{"a":{"b":{"c":1}}}`}},
		{"a fourth is cut", `"trace":{"k":{"a":{"b":{"c":{"d":1}}}}}`, map[string]string{"metadata_k": `{"a":{"b":{"c":"[truncated]"}}}`}},
		{"arrays count as levels, empty ones too", `"trace":{"k":[[[[]]]]}`, map[string]string{"metadata_k": `[[["[truncated]"]]]`}},
		{"scalars in level three stay", `"trace":{"k":[[[1,"x",null,true]]]}`, map[string]string{"metadata_k": `[[[1,"x",null,true]]]`}},
		{"numbers keep their digits", `"trace":{"k":1.2300,"big":123456789012345678901234567890}`, map[string]string{"metadata_k": `1.2300`, "metadata_big": `123456789012345678901234567890`}},
		{"a number that no double holds is a string", `"trace":{"k":[-1e400]}`, map[string]string{"metadata_k": `["-1e400"]`}},
		{"NUL, half a pair and bad UTF-8 are replaced", `"trace":{"k":"a\u0000b\ud800c` + "\xff" + `d"}`, map[string]string{"metadata_k": `"a�b�c�d"`}},
		{"a whole pair stays", `"trace":{"k":"\ud83d\ude00"}`, map[string]string{"metadata_k": `"😀"`}},

		{"milliseconds become seconds", `"latency_ms":1834,"time_to_first_token_ms":0.5`, map[string]string{"$ai_latency": `1.834`, "$ai_time_to_first_token": `0.0005`}},
		{"nulls are unavailable", `"latency_ms":null,"usage":null,"user":null,"trace":null,"messages":null`, map[string]string{"$ai_latency": absent, "$ai_input_tokens": absent, "$ai_input": absent, "hogcast_dropped_fields": absent}},
		{"zero is not unavailable", `"usage":{"prompt_tokens":0,"cost":0}`, map[string]string{"$ai_input_tokens": `0`, "$ai_total_cost_usd": `0`, "$ai_cost_passthrough": `true`}},
		{"no cost, no passthrough", `"usage":{"prompt_tokens":1}`, map[string]string{"$ai_cost_passthrough": absent}},
		{"fractional, negative and huge token counts are left out", `"usage":{"prompt_tokens":10.5,"completion_tokens":-3,"total_tokens":1e400}`, map[string]string{"$ai_input_tokens": absent, "$ai_output_tokens": absent, "$ai_total_tokens": absent, "hogcast_dropped_fields": `["usage.completion_tokens","usage.prompt_tokens","usage.total_tokens"]`}},
		{"whole counts however written", `"usage":{"prompt_tokens":1.0e2,"completion_tokens":7.0}`, map[string]string{"$ai_input_tokens": `100`, "$ai_output_tokens": `7`}},
		{"aliases of token counts", `"usage":{"input_tokens":1,"output_tokens":2}`, map[string]string{"$ai_input_tokens": `1`, "$ai_output_tokens": `2`}},
		{"the first name present counts", `"usage":{"input_tokens":1,"prompt_tokens":5}`, map[string]string{"$ai_input_tokens": `5`}},
		{"cache tokens come with their meaning", `"usage":{"prompt_tokens_details":{"cached_tokens":5}}`, map[string]string{"$ai_cache_read_input_tokens": `5`, "$ai_cache_reporting_exclusive": `false`}},
		{"of a raw Anthropic body, the other one", `"cache_inclusive":false,"usage":{"prompt_tokens_details":{"cache_write_tokens":5}}`, map[string]string{"$ai_cache_creation_input_tokens": `5`, "$ai_cache_reporting_exclusive": `true`}},
		{"no cache tokens, no meaning", `"cache_inclusive":false,"usage":{"prompt_tokens":5}`, map[string]string{"$ai_cache_reporting_exclusive": absent}},

		{"an error string", `"error":"boom"`, map[string]string{"$ai_is_error": `true`, "$ai_error": `"boom"`, "$ai_error_type": absent}},
		{"an error object is a string, too", `"error":{"code":500,"type":"server_error","message":"boom"}`, map[string]string{"$ai_error": `"boom"`, "$ai_error_type": `"server_error"`}},
		{"an error with a code alone", `"error":{"code":500}`, map[string]string{"$ai_error": `"500"`, "$ai_error_type": `"500"`}},
		{"an error without known parts", `"error":{"x":1}`, map[string]string{"$ai_is_error": `true`, "$ai_error": `"error"`}},
		{"no error, however written", `"error":""`, map[string]string{"$ai_is_error": absent}},
		{"an empty object is no error", `"error":{ }`, map[string]string{"$ai_is_error": absent}},
		{"a status of failure", `"http_status":503`, map[string]string{"$ai_is_error": `true`, "$ai_http_status": `503`, "$ai_error": absent}},

		{"the finish reason", `"finish_reason":"length","choices":[{"finish_reason":"stop","message":{}}]`, map[string]string{"$ai_stop_reason": `"length"`}},
		{"else the first choice's", `"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"x"}},{"finish_reason":"length"}]`, map[string]string{"$ai_stop_reason": `"stop"`}},
		{"else the client's", `"cancelled":true`, map[string]string{"$ai_stop_reason": `"cancelled"`, "hogcast_cancelled": `true`}},
		{"URLs lose user info, query and fragment", `"base_url":"https://u:p@h.example:8443/v1?k=S#f","request_url":"u:p@h/x"`, map[string]string{"$ai_base_url": `"https://h.example:8443/v1"`, "$ai_request_url": `"h/x"`}},
		{"parameters", `"stop":"x","top_p":1,"max_completion_tokens":5,"max_tokens":7,"stream":false`, map[string]string{"$ai_model_parameters": `{"top_p":1,"max_completion_tokens":5,"stop":"x"}`, "$ai_max_tokens": `7`, "$ai_stream": `false`}},
		{"unknown fields are no properties", `"x_new":1,"Messages":[1]`, map[string]string{"x_new": absent, "$ai_input": absent, "Messages": absent}},
		{"groups", `"groups":{"company":"a","company":"b","n":5}`, map[string]string{"$groups": `{"company":"b","n":"5"}`}},

		{"a prompt string is one message of the user", `"prompt":"hi"`, map[string]string{"$ai_input": `[{"role":"user","content":"hi"}]`}},
		{"messages before input", `"input":"no","messages":[{"role":"user","content":"yes"}]`, map[string]string{"$ai_input": `[{"role":"user","content":"yes"}]`}},
		{"null messages give way", `"messages":null,"input":"yes"`, map[string]string{"$ai_input": `[{"role":"user","content":"yes"}]`}},
		{"messages of the wrong type are left out", `"messages":5,"input":"no"`, map[string]string{"$ai_input": absent, "hogcast_dropped_fields": `["messages"]`}},
		{"strings among messages become messages", `"messages":["a",{"role":"user","content":"b"},null]`, map[string]string{"$ai_input": `[{"role":"user","content":"a"},{"role":"user","content":"b"}]`}},
		{"choices are flattened", `"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]`, map[string]string{"$ai_output_choices": `[{"role":"assistant","content":"a"}]`}},
		{"flat choices stay", `"choices":[{"role":"assistant","content":"a","extra":1}]`, map[string]string{"$ai_output_choices": `[{"role":"assistant","content":"a","extra":1}]`}},
		{"an old completion", `"choices":[{"text":"a","index":0}]`, map[string]string{"$ai_output_choices": `[{"role":"assistant","content":"a"}]`}},
		{"an output string", `"output":"a"`, map[string]string{"$ai_output_choices": `[{"role":"assistant","content":"a"}]`}},
		{"numbers in content that no double holds", `"messages":[{"role":"user","content":1e999}]`, map[string]string{"$ai_input": `[{"role":"user","content":"1e999"}]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			props := properties(t, tt.fields)
			for name, want := range tt.want {
				got, ok := props[name]
				if !ok {
					got = absent
				}
				if diff := cmp.Diff(decodeJSON(t, want), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// decodeJSON decodes JSON with its numbers' digits kept; absent is itself.
func decodeJSON(t *testing.T, s string) any {
	t.Helper()
	if s == absent {
		return s
	}
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

func TestIdentityFollowsTheRules(t *testing.T) {
	t.Parallel()
	ns := uuid.MustParse("9f1c2f0e-5d0b-5c44-9c1b-7f0d6c3a2b10")
	v5 := func(name string) string { return uuid.NewSHA1(ns, []byte(name)).String() }
	long := strings.Repeat("é", 150)
	tests := []struct {
		name, fields, want string
		personless         bool
	}{
		{"the user", `"user":"u1"`, "u1", false},
		{"a number", `"user":42`, "42", false},
		{"no user: of the session", `"session_id":"s1"`, v5("s1"), true},
		{"no session: of the trace", `"trace":{"trace_id":"t1"}`, v5("t1"), true},
		{"no trace: of the record", ``, v5("gen-1"), true},
		{"an empty user is none", `"user":"","session_id":"s1"`, v5("s1"), true},
		{"a user of the wrong type is none", `"user":{"id":1},"session_id":"s1"`, v5("s1"), true},
		{"200 bytes stay", `"user":"` + strings.Repeat("a", 200) + `"`, strings.Repeat("a", 200), false},
		{"more are cut at a character and hashed", `"user":"` + long + `"`, strings.Repeat("é", 80) + "~" + "1af3d5ba90ea9ddfa1ec6ea5b9e2b7d8", false},
	}
	for _, junk := range []string{"anonymous", " Guest ", "distinctid", "distinct_id", "ID", "not_authenticated", "email", "undefined", "TRUE", "false", "null", "None", "nil", "0", "[object Object]", "NaN", "00000000-0000-0000-0000-000000000000", ` \t`} {
		tests = append(tests, struct {
			name, fields, want string
			personless         bool
		}{"junk: " + junk, `"session_id":"s1","user":"` + junk + `"`, v5("s1"), true})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, notes := mapRecord(t, recordWith(tt.fields), false)
			if strings.HasPrefix(tt.want, "éé") {
				// The hash is not repeated here; its form and stability are.
				if len(e.DistinctID) != 160+1+32 || !strings.HasPrefix(e.DistinctID, tt.want[:161]) || !notes.DistinctIDShortened {
					t.Errorf("got %q (%d bytes)", e.DistinctID, len(e.DistinctID))
				}
				return
			}
			if e.DistinctID != tt.want || e.Personless != tt.personless {
				t.Errorf("got %q, personless %t; want %q, %t", e.DistinctID, e.Personless, tt.want, tt.personless)
			}
			_, has := decodeProperties(t, e)["$process_person_profile"]
			if has != tt.personless {
				t.Errorf("$process_person_profile present: %t, want %t", has, tt.personless)
			}
		})
	}
}

func TestUUIDNamesTenantDestinationAndRecord(t *testing.T) {
	t.Parallel()
	e, _ := mapRecord(t, recordWith(""), false)
	ns := uuid.MustParse("9f1c2f0e-5d0b-5c44-9c1b-7f0d6c3a2b10")
	if want := uuid.NewSHA1(ns, []byte("acme/default/gen-1")).String(); e.UUID != want {
		t.Errorf("got %s, want %s", e.UUID, want)
	}
}

func TestEventIsNeverDeeperThan100Levels(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{97, 98, 99, 100, 5000} {
		nested := strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
		for _, field := range []string{`"messages":[` + nested + `]`, `"choices":[{"message":` + nested + `}]`, `"tools":[` + nested + `]`, `"stop":` + nested, `"messages":[[` + nested + `]]`, `"trace":` + nested} {
			e, _ := mapRecord(t, recordWith(field), false)
			raw := e.AppendJSON(nil)
			if got := nesting(raw); got > 100 {
				t.Errorf("depth %d, %.12s: event is %d levels deep", depth, field, got)
			}
			if depth == 5000 && !strings.Contains(string(raw), "[truncated]") {
				t.Errorf("depth %d, %.12s: nothing says that it was cut", depth, field)
			}
		}
	}
}

func nesting(raw []byte) int {
	deepest, depth := 0, 0
	inString := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

func TestOversizeEventsAreShortenedOldestFirst(t *testing.T) {
	t.Parallel()
	message := func(role, mark string, size int) string {
		return fmt.Sprintf(`{"role":%q,"content":"%s%s"}`, role, mark, strings.Repeat("x", size))
	}
	fields := `"trace":{"keep":"` + strings.Repeat("m", 1000) + `"},"messages":[` + strings.Join([]string{
		message("system", "SYSTEM", 100_000), message("user", "OLD", 200_000),
		message("assistant", "MIDDLE", 150_000), message("user", "NEWEST", 100_000),
	}, ",") + `],"choices":[{"message":` + message("assistant", "OUTPUT", 50_000) + `}]`
	e, notes := mapRecord(t, recordWith(fields), false)
	if !notes.Truncated || e.Size() > event.MaxBytes {
		t.Fatalf("truncated %t, size %d", notes.Truncated, e.Size())
	}
	if e.Size() < event.MaxBytes*9/10 {
		t.Errorf("cut to %d bytes, far more than was needed", e.Size())
	}
	p := decodeProperties(t, e)
	input := p["$ai_input"].([]any)
	content := func(v any) string { return v.(map[string]any)["content"].(string) }
	if got := content(input[0]); len(got) != 100_006 {
		t.Errorf("the system message was cut to %d bytes", len(got))
	}
	if got := content(input[1]); !strings.HasSuffix(got, "[truncated]") || len(got) > 200_000 {
		t.Errorf("the oldest message was not cut: %d bytes", len(got))
	}
	if got := content(input[3]); len(got) != 100_006 {
		t.Errorf("the newest message was cut to %d bytes", len(got))
	}
	if got := content(p["$ai_output_choices"].([]any)[0]); len(got) != 50_006 {
		t.Errorf("the output was cut to %d bytes", len(got))
	}
	if p["$ai_content_truncated"] != true || p["$ai_content_original_bytes"] == nil {
		t.Error("nothing says that content was cut")
	}
	if got := p["metadata_keep"].(string); len(got) != 1000 {
		t.Errorf("metadata was cut to %d bytes", len(got))
	}
}

func TestWhateverIsTooLargeTheEventFits(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 600_000)
	many := strings.TrimSuffix(strings.Repeat(`{"role":"user","content":"hi"},`, 40_000), ",")
	var keys strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&keys, `"k%d":%d,`, i, i)
	}
	tests := map[string]string{
		"one message":           `"messages":[{"role":"user","content":"` + big + `"}]`,
		"one message of parts":  `"messages":[{"role":"user","content":[{"type":"text","text":"` + big + `"}]}]`,
		"a prompt":              `"prompt":"` + big + `"`,
		"escapes":               `"prompt":"` + strings.Repeat(`\u00e9\n`, 80_000) + `"`,
		"characters":            `"prompt":"` + strings.Repeat(`é😀`, 100_000) + `"`,
		"forty thousand":        `"messages":[` + many + `]`,
		"the output":            `"messages":[{"role":"user","content":"hi"}],"choices":[{"message":{"role":"assistant","content":"` + big + `"}}]`,
		"tool calls":            `"choices":[{"message":{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"` + big + `"}}]}}]`,
		"tools":                 `"tools":[{"name":"t","description":"` + big + `"}]`,
		"the error":             `"error":"` + big + `"`,
		"a model's name":        `"provider":"` + big + `","session_id":"` + big + `"`,
		"metadata":              `"trace":{"a":"` + big + `","b":"small"},"prompt":"` + big + `"`,
		"a number in the depth": `"messages":[` + strings.Repeat("[", 90) + strings.TrimSuffix(strings.Repeat("1,", 300_000), ",") + strings.Repeat("]", 90) + `]`,
		"metadata keys":         `"trace":{` + keys.String() + `"last":1},"prompt":"` + big + `"`,
	}
	for name, fields := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, notes := mapRecord(t, recordWith(fields), false)
			if got := len(e.AppendJSON(nil)); got > event.MaxBytes {
				t.Errorf("event has %d bytes", got)
			}
			p := decodeProperties(t, e)
			if !notes.Truncated || p["$ai_content_truncated"] != true {
				t.Error("nothing says that it was cut")
			}
			if name == "metadata" && p["metadata_b"] != "small" {
				t.Error("small metadata went with the large")
			}
		})
	}
}

func TestWhiteSpaceCostsNoContent(t *testing.T) {
	t.Parallel()
	padded := strings.TrimSuffix(strings.Repeat(`{"role": "user",`+strings.Repeat(" ", 400)+`"content": "hi"},`, 2000), ",")
	e, notes := mapRecord(t, recordWith(`"messages":[`+padded+`]`), false)
	if notes.Truncated || strings.Contains(string(e.Properties), "[truncated]") || e.Size() > event.MaxBytes {
		t.Errorf("truncated %t, %d bytes", notes.Truncated, e.Size())
	}
}
