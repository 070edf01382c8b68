package record_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/record"
)

const good = `"id":"g1","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m"`

// without is a record that lacks a field, or has another value in its place.
func without(field, value string) string {
	fields := map[string]string{"id": `"g1"`, "tenant": `"acme"`, "created_at": `"2026-01-02T03:04:05Z"`, "model": `"m"`}
	fields[field] = value
	var parts []string
	for _, name := range []string{"id", "tenant", "created_at", "model"} {
		if fields[name] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, fields[name]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestWhatCondemnsARecordIsNamed(t *testing.T) {
	t.Parallel()
	nested := func(n int) string {
		return "{" + good + `,"messages":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	}
	tests := []struct{ name, data, field string }{
		{"nothing", ``, "record"},
		{"white space", " \n", "record"},
		{"not JSON", `hello`, "record"},
		{"an array", `[{` + good + `}]`, "record"},
		{"a string", `"x"`, "record"},
		{"null", `null`, "record"},
		{"cut short", `{` + good, "record"},
		{"two values", `{` + good + `} {}`, "record"},
		{"trailing garbage", `{` + good + `}x`, "record"},
		{"a raw line break in a string", "{" + good + `,"user":"a` + "\n" + `b"}`, "record"},
		{"a raw NUL outside a string", "{" + good + ",\x00}", "record"},
		{"nested deeper than 10,000 levels", nested(10_000), "record"},
		{"id with a space at its end", without("id", `"g1 "`), "id"},
		{"id with a line break", without("id", `"g\n1"`), "id"},
		{"id with NUL", without("id", `"g\u00001"`), "id"},
		{"id with a C1 control", without("id", `"g\u00851"`), "id"},
		{"id with half a surrogate", without("id", `"g\ud8001"`), "id"},
		{"id of 257 bytes", without("id", `"`+strings.Repeat("x", 257)+`"`), "id"},
		{"tenant with a dot", without("tenant", `"a.b"`), "tenant"},
		{"tenant with a wildcard", without("tenant", `"*"`), "tenant"},
		{"tenant that begins with _", without("tenant", `"_a"`), "tenant"},
		{"tenant of 65 bytes", without("tenant", `"`+strings.Repeat("x", 65)+`"`), "tenant"},
		{"created_at as a date", without("created_at", `"2026-01-02"`), "created_at"},
		{"created_at without zone", without("created_at", `"2026-01-02T03:04:05"`), "created_at"},
		{"created_at with one digit of hours", without("created_at", `"2026-01-02T3:04:05Z"`), "created_at"},
		{"created_at with a comma", without("created_at", `"2026-01-02T03:04:05,5Z"`), "created_at"},
		{"created_at with an offset of a day", without("created_at", `"2026-01-02T03:04:05+24:00"`), "created_at"},
		{"created_at of no day", without("created_at", `"2026-02-30T03:04:05Z"`), "created_at"},
		{"created_at beyond the year 9999", without("created_at", `"9999-12-31T23:59:59-01:00"`), "created_at"},
	}
	for _, field := range []string{"id", "tenant", "created_at", "model"} {
		for name, value := range map[string]string{
			"missing": "", "null": "null", "a number": "5", "a boolean": "true", "an object": "{}", "an array": "[]", "empty": `""`,
		} {
			tests = append(tests, struct{ name, data, field string }{field + " " + name, without(field, value), field})
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := record.Decode([]byte(tt.data))
			var malformed *record.Malformed
			if !errors.As(err, &malformed) {
				t.Fatalf("got %v, want a Malformed", err)
			}
			if malformed.Field != tt.field {
				t.Errorf("got field %q (%v), want %q", malformed.Field, err, tt.field)
			}
		})
	}
}

func TestWhatIsUnusualButFitPasses(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"10,000 levels":             "{" + good + `,"messages":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + "}",
		"id of 256 bytes":           without("id", `"`+strings.Repeat("x", 256)+`"`),
		"id in other scripts":       without("id", `"ген-é-漢"`),
		"tenant of 64 bytes":        without("tenant", `"`+strings.Repeat("x", 64)+`"`),
		"lower case t and z":        without("created_at", `"2026-01-02t03:04:05.123456789z"`),
		"a leap second":             without("created_at", `"2016-12-31T23:59:60Z"`),
		"an offset":                 without("created_at", `"2026-01-02T03:04:05+05:30"`),
		"the year 1":                without("created_at", `"0001-01-01T00:00:00Z"`),
		"white space around":        " \r\n{" + good + "} \n",
		"escaped keys":              `{"\u0069d":"g1","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m"}`,
		"the last id wins":          `{"id":5,` + good + `}`,
		"invalid UTF-8 in text":     "{" + good + `,"user":"a` + "\xff" + `"}`,
		"a raw NUL within a string": "{" + good + `,"user":"a` + "\x00" + `b"}`,
	} {
		if _, err := record.Decode([]byte(data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsHoldNoContent(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`{` + good + `,"messages":"SECRET` + "\x01" + `"}`, `SECRET`, `{"SECRET`, `{` + good + `,"SECRET":{"SECRET":SECRET}}`,
		without("created_at", `"SECRET"`), without("id", `"SECRET "`), without("tenant", `"SECRET SECRET"`),
	} {
		_, err := record.Decode([]byte(data))
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: got %v", data, err)
		}
	}
}

func TestOptionalFieldsOfTheWrongTypeAreDroppedByPath(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fields string
		want   []string
	}{
		{`"provider":5`, []string{"provider"}},
		{`"type":"chat"`, []string{"type"}},
		{`"user":{}`, []string{"user"}},
		{`"user":5,"session_id":1.5,"api_key_id":7`, nil},
		{`"messages":{}`, []string{"messages"}},
		{`"usage":[]`, []string{"usage"}},
		{`"usage":{"prompt_tokens_details":5}`, []string{"usage.prompt_tokens_details"}},
		{`"usage":{"prompt_tokens":"5","cost":true}`, []string{"usage.prompt_tokens", "usage.cost"}},
		{`"stream":"yes","temperature":"hot","max_tokens":-1`, []string{"stream", "temperature", "max_tokens"}},
		{`"top_p":"x","logprobs":5,"parallel_tool_calls":0`, []string{"top_p", "parallel_tool_calls"}},
		{`"http_status":"200"`, []string{"http_status"}},
		{`"error":5`, []string{"error"}},
		{`"error":{"code":[],"message":{}}`, []string{"error.code", "error.message"}},
		{`"groups":{"a":[],"b":"x"}`, []string{"groups.a"}},
		{`"trace":5,"x_unknown":[]`, nil},
	}
	for _, tt := range tests {
		r, err := record.Decode([]byte("{" + good + "," + tt.fields + "}"))
		if err != nil {
			t.Errorf("%s: %v", tt.fields, err)
			continue
		}
		if diff := cmp.Diff(tt.want, r.Dropped); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.fields, diff)
		}
	}
}

func TestTenantMustBeTheSubjects(t *testing.T) {
	t.Parallel()
	r, err := record.Decode([]byte("{" + good + "}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.CheckTenant("acme"); err != nil {
		t.Error(err)
	}
	var malformed *record.Malformed
	if err := r.CheckTenant("other"); !errors.As(err, &malformed) || malformed.Field != "tenant" {
		t.Errorf("got %v", err)
	}
}

func TestUnknownFieldsAreCounted(t *testing.T) {
	t.Parallel()
	r, err := record.Decode([]byte("{" + good + `,"a":1,"Model":2,"":3}`))
	if err != nil || r.Unknown != 3 {
		t.Errorf("got %d unknown, %v; want 3", r.Unknown, err)
	}
}

// FuzzDecode: no input panics, errors are Malformed, and what is decoded is
// the same after it was written out and read again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"{" + good + "}", `{` + good + `,"usage":{"prompt_tokens":1e2,"cost":0.5},"error":{"code":1},"groups":{"a":"b"},"stop":[1],"cache_inclusive":false}`,
		"{" + good + `,"user":"a` + "\x00" + `b","trace":[],"api_key_id":{}}`, `[`, `{"id":`, "\xff", without("id", `"\ud800"`),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := record.Decode(data)
		if err != nil {
			var malformed *record.Malformed
			if !errors.As(err, &malformed) || malformed.Field == "" || malformed.Problem == "" {
				t.Fatalf("got %v", err)
			}
			return
		}
		written := r.AppendJSON(nil)
		again, err := record.Decode(written)
		if err != nil {
			t.Fatalf("%v: %s", err, written)
		}
		if got := again.AppendJSON(nil); string(got) != string(written) {
			t.Fatalf("written, read and written again differs:\n%s\n%s", written, got)
		}
	})
}
