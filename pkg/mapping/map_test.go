package mapping_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/test/golden"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mapRecord decodes and maps, privately where asked.
func mapRecord(tb testing.TB, data string, private bool) (*event.Event, mapping.Notes) {
	tb.Helper()
	r, err := record.Decode([]byte(data))
	if err != nil {
		tb.Fatalf("decoding: %v", err)
	}
	return mapping.Map(privacy.Apply(r, privacy.Rules{PrivacyMode: private}), "default")
}

// properties maps a record made of the required fields and what is given.
func properties(tb testing.TB, fields string) map[string]any {
	tb.Helper()
	e, _ := mapRecord(tb, recordWith(fields), false)
	return decodeProperties(tb, e)
}

func recordWith(fields string) string {
	const required = `"id":"gen-1","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"openai/gpt-4o"`
	if fields == "" {
		return "{" + required + "}"
	}
	return "{" + required + "," + fields + "}"
}

func decodeProperties(tb testing.TB, e *event.Event) map[string]any {
	tb.Helper()
	raw := e.AppendProperties(nil)
	if !jsontext.Value(raw).IsValid() {
		tb.Fatalf("properties are not strict JSON: %.300s", raw)
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var got map[string]any
	if err := dec.Decode(&got); err != nil {
		tb.Fatalf("properties: %v\n%s", err, raw)
	}
	return got
}

func TestGoldenRecordsMapAsTheyAlwaysDid(t *testing.T) {
	t.Parallel()
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no inputs: %v", err)
	}
	for _, input := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(input), ".json"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for _, private := range []bool{false, true} {
				e, _ := mapRecord(t, string(data), private)
				line := jsontext.Value(e.AppendJSON(nil))
				if err := line.Indent(jsontext.WithIndent("  ")); err != nil {
					t.Fatal(err)
				}
				got = append(append(got, line...), '\n')
			}
			golden.Check(t, strings.TrimSuffix(input, ".json")+".golden", string(got))
		})
	}
}
