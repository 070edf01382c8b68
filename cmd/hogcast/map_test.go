package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	mapped   = 1 // an event, exit 0
	warned   = 2 // an event and a warning, exit 0
	reported = 3 // no event and a report, exit 1
)

// mapCase is one line of input. Where it is no JSON as a whole, line is it;
// else it is a record whose members come after those that all have.
type mapCase struct {
	name    string
	line    string
	outcome int
	want    string // in the event, or the report without its "line N: "
}

func with(members string) string {
	return `{"id":"i","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m",` + members + `}`
}

func nested(levels int) string {
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

func millionKeys() string {
	var b strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return b.String()[1:]
}

// The cases are made when they are asked for: the scripts run this binary as
// hogcast, many times.
func condemned() []mapCase {
	return []mapCase{
		{"text that is no JSON", `hello`, reported, "record: not JSON: broken at byte 0"},
		{"a record cut off", `{"id":"i","ten`, reported, "record: not JSON: it ends too early"},
		{"an array", `[1,2]`, reported, "record: not a JSON object"},
		{"a string", `"x"`, reported, "record: not a JSON object"},
		{"null", `null`, reported, "record: not a JSON object"},
		{"two records on a line", with(`"a":1`) + with(`"a":1`), reported, "record: more than one JSON value"},
		{"NUL between values", "{\x00}", reported, "record: not JSON: broken at byte 1"},
		{"10,001 levels", with(`"trace":{"a":` + nested(9_999) + `}`), reported, "record: nested deeper than 10000 levels"},
		{"no id", `{"tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m"}`, reported, "id: missing"},
		{"id null", with(`"id":null`), reported, "id: missing"},
		{"id a number", with(`"id":7`), reported, "id: not a string"},
		{"id an object", with(`"id":{}`), reported, "id: not a string"},
		{"id empty", with(`"id":""`), reported, "id: empty"},
		{"id of 257 bytes", with(`"id":"` + strings.Repeat("x", 257) + `"`), reported, "id: 257 bytes; at most 256"},
		{"id with NUL", with(`"id":"a\u0000b"`), reported, "id: a control or invalid character"},
		{"id with invalid UTF-8", with("\"id\":\"a\xffb\""), reported, "id: a control or invalid character"},
		{"tenant null", with(`"tenant":null`), reported, "tenant: missing"},
		{"tenant a boolean", with(`"tenant":true`), reported, "tenant: not a string"},
		{"tenant empty", with(`"tenant":""`), reported, "tenant: empty"},
		{"tenant of 65 characters", with(`"tenant":"` + strings.Repeat("x", 65) + `"`), reported, "tenant: not 1–64 letters"},
		{"tenant with a dot", with(`"tenant":"a.b"`), reported, "tenant: not 1–64 letters"},
		{"created_at null", with(`"created_at":null`), reported, "created_at: missing"},
		{"created_at a number", with(`"created_at":1767323045`), reported, "created_at: not a string"},
		{"created_at empty", with(`"created_at":""`), reported, "created_at: empty"},
		{"created_at without a zone", with(`"created_at":"2026-01-02T03:04:05"`), reported, "created_at: not RFC 3339"},
		{"created_at too long", with(`"created_at":"` + strings.Repeat("2", 100) + `"`), reported, "created_at: not RFC 3339"},
		{"model null", with(`"model":null`), reported, "model: missing"},
		{"model an array", with(`"model":["m"]`), reported, "model: not a string"},
		{"model empty", with(`"model":""`), reported, "model: empty"},
	}
}

func repaired() []mapCase {
	return []mapCase{
		{"10,000 levels", with(`"trace":{"a":` + nested(9_998) + `}`), mapped, `"metadata_a":[[["[truncated]"]]]`},
		{"duplicate keys", with(`"model":"first","model":"last"`), mapped, `"$ai_model":"last"`},
		{"raw NUL in a string", with("\"user\":\"a\x00b\""), mapped, "\"distinct_id\":\"a\uFFFDb\""},
		{"NUL escaped", with(`"trace":{"k":"a\u0000b"}`), mapped, "\"metadata_k\":\"a\uFFFDb\""},
		{"invalid UTF-8", with("\"input\":\"a\xff\xfeb\""), mapped, "a\uFFFD\uFFFDb"},
		{"half a surrogate pair", with(`"trace":{"k":"a\ud800b"}`), mapped, "\"metadata_k\":\"a\uFFFDb\""},
		{"a huge number in metadata", with(`"trace":{"n":123456789012345678901234567890}`), mapped, `"metadata_n":123456789012345678901234567890`},
		{"1e400 in metadata", with(`"trace":{"n":1e400}`), mapped, `"metadata_n":"1e400"`},
		{"trace a string", with(`"trace":"t"`), mapped, `"metadata_trace":"t"`},
		{"trace an array", with(`"trace":[1]`), mapped, `"metadata_trace":[1]`},
		{"unknown fields", with(`"colour":"red"`), mapped, `"$ai_model":"m"`},
		{"user a number", with(`"user":42`), mapped, `"distinct_id":"42"`},
		{"1e400 latency", with(`"latency_ms":1e400`), warned, "latency_ms"},
		{"negative tokens", with(`"usage":{"prompt_tokens":-1,"completion_tokens":5}`), warned, "usage.prompt_tokens"},
		{"fractional tokens", with(`"usage":{"prompt_tokens":1.5}`), warned, "usage.prompt_tokens"},
		{"tokens in words", with(`"usage":{"total_tokens":"many"}`), warned, "usage.total_tokens"},
		{"1e400 cost", with(`"usage":{"cost":1e400}`), warned, "usage.cost"},
		{"messages a number", with(`"messages":7`), warned, "messages"},
		{"user an object", with(`"user":{}`), warned, "user"},
		{"a million keys in trace", with(`"trace":{` + millionKeys() + `}`), mapped, `"metadata_k1":1`},
	}
}

// TestMapGoesOnPastBadRecords gives all of them in one stream.
func TestMapGoesOnPastBadRecords(t *testing.T) {
	t.Parallel()
	cases := slices.Concat(condemned(), repaired())
	var in strings.Builder
	for _, c := range cases {
		in.WriteString(c.line + "\n")
	}
	result := runWith(t, in.String(), "map")
	if result.Code != 1 {
		t.Errorf("exit code %d, want 1", result.Code)
	}
	events, reports := strings.Split(result.Out, "\n"), strings.Split(result.Err, "\n")
	next := func(from *[]string) string {
		first := (*from)[0]
		if len(*from) > 1 {
			*from = (*from)[1:]
		}
		return first
	}
	for i, c := range cases {
		line := fmt.Sprintf("line %d: ", i+1)
		if c.outcome == warned {
			want := line + "warning: " + c.want + ": of the wrong type; left out"
			if got := next(&reports); got != want {
				t.Errorf("%s: got the warning %.200q, want %q", c.name, got, want)
			}
		}
		from, want := &events, c.want
		if c.outcome == reported {
			from, want = &reports, line+c.want
		}
		if got := next(from); !strings.Contains(got, want) {
			t.Errorf("%s: got %.400q, want %q in it", c.name, got, want)
		}
	}
	if len(events) != 1 || len(reports) != 1 || events[0]+reports[0] != "" {
		t.Errorf("%d events and %d reports too many", len(events)-1, len(reports)-1)
	}
}

func TestMapSucceedsWhereRecordsAreRepaired(t *testing.T) {
	t.Parallel()
	cases := repaired()
	for _, c := range cases[:len(cases)-1] { // a million keys were enough once
		got := runWith(t, c.line, "map")
		if got.Code != 0 || (got.Err != "") != (c.outcome == warned) {
			t.Errorf("%s: exit code %d, stderr %q", c.name, got.Code, got.Err)
		}
	}
}
