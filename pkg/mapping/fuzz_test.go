package mapping_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
)

// FuzzMap holds, for whatever can be decoded: mapping never panics, is
// deterministic, gives strict JSON within all limits, and Privacy Mode leaves
// no content and is the same applied twice.
func FuzzMap(f *testing.F) {
	inputs, _ := filepath.Glob("testdata/*.json")
	for _, input := range inputs {
		data, err := os.ReadFile(input)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, fields := range []string{
		`"trace":{"a":{"b":{"c":{"d":[1e400,"\ud800","\u0000"]}}}}`,
		`"messages":["a",null,5,[[[]]],{"role":1}],"choices":[{"delta":{"content":"x"}},{"text":"t"},[]]`,
		`"messages":[{"role":"user","content":[{"type":"image","data":"AAAA","mime_type":"image/gif"},{"url":"data:;base64,AA=="}]}]`,
		`"user":" nUlL ","session_id":7,"error":{"code":1e999},"groups":{"":""},"stop":[[]]`,
	} {
		f.Add([]byte(recordWith(fields)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := record.Decode(data)
		if err != nil {
			return
		}
		e, _ := mapping.Map(r, "default")
		checkEvent(t, e)
		for range 2 { // the second in what the first has left
			lent, _ := mapping.Lend(r, "default")
			if !bytes.Equal(e.AppendJSON(nil), lent.AppendJSON(nil)) {
				t.Fatal("mapping is not deterministic")
			}
			lent.Release()
		}
		checkPrivacy(t, r)
	})
}

func checkEvent(t *testing.T, e *event.Event) {
	t.Helper()
	raw := e.AppendJSON(nil)
	if len(raw) > event.MaxBytes || len(raw) > e.Size() {
		t.Fatalf("event has %d bytes; Size says %d", len(raw), e.Size())
	}
	if !utf8.Valid(raw) || !jsontext.Value(raw).IsValid(jsontext.AllowDuplicateNames(true)) {
		t.Fatalf("event is not strict JSON: %q", raw)
	}
	if bytes.Contains(raw, []byte(`\u0000`)) {
		t.Fatalf("NUL in the event: %q", raw)
	}
	if got := nesting(raw); got > 100 {
		t.Fatalf("event is %d levels deep", got)
	}
	if n := len(e.DistinctID); n == 0 || n > 200 || strings.TrimSpace(e.DistinctID) == "" {
		t.Fatalf("distinct id of %d bytes", n)
	}
	var decoded struct {
		Properties map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &decoded); err != nil {
		t.Fatalf("%v: %q", err, raw)
	}
	for name, value := range decoded.Properties {
		custom := strings.HasPrefix(name, "metadata_") || name == "trace_name"
		if custom && nesting(value) > 3 {
			t.Fatalf("custom property nested %d levels", nesting(value))
		}
	}
}

func checkPrivacy(t *testing.T, r *record.Record) {
	t.Helper()
	rules := privacy.Rules{PrivacyMode: true}
	private := privacy.Apply(r, rules)
	e, _ := mapping.Map(private, "default")
	checkEvent(t, e)
	for _, name := range []string{`"$ai_input":`, `"$ai_output_choices":`} {
		if bytes.Contains(e.Properties, []byte(","+name)) {
			t.Fatalf("%s in a private event: %s", name, e.Properties)
		}
	}
	stored := privacy.Stored(nil, r, rules)
	back, err := record.Decode(stored)
	if err != nil {
		t.Fatalf("the private record can't be read again: %v\n%s", err, stored)
	}
	twice := privacy.Stored(nil, back, rules)
	if !bytes.Equal(stored, twice) {
		t.Fatalf("applied twice is not applied once:\n%s\n%s", stored, twice)
	}
	// Dropped fields are named in the event only as long as the record is the
	// publisher's own; all else is the same from the stored form.
	private.Dropped, back.Dropped = nil, nil
	direct, _ := mapping.Map(private, "default")
	replayed, _ := mapping.Map(privacy.Apply(back, rules), "default")
	if got, want := replayed.AppendJSON(nil), direct.AppendJSON(nil); !bytes.Equal(got, want) {
		t.Fatalf("an event from the stored record differs:\ngot  %s\nwant %s", got, want)
	}
}
