package privacy_test

import (
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
)

const canary = "CANARY 7f3a"

var private = privacy.Rules{PrivacyMode: true}

// planted is a record with a canary in every place that can hold content.
const planted = `{"id":"g1","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m","user":"u","session_id":"s",
"trace":{"feature":"kept"},"api_key_id":"k",
"messages":[{"role":"user","content":"CANARY 7f3a"}],"input":"CANARY 7f3a","prompt":"CANARY 7f3a",
"choices":[{"message":{"role":"assistant","content":"CANARY 7f3a","refusal":"CANARY 7f3a"},"finish_reason":"CANARY 7f3a"}],"output":"CANARY 7f3a",
"tools":[{"type":"function","function":{"name":"find","description":"CANARY 7f3a","parameters":{"x":"CANARY 7f3a"}}},{"name":"flat","description":"CANARY 7f3a"},{"function":{"name":"CANARY 7f3a"}},"CANARY 7f3a"],
"error":{"code":"CANARY 7f3a","type":"rate_limit","message":"CANARY 7f3a"},
"stop":["CANARY 7f3a"],"response_format":{"x":"CANARY 7f3a"},"tool_choice":{"function":{"name":"CANARY 7f3a"}},"reasoning":{"x":"CANARY 7f3a"},"service_tier":"CANARY 7f3a",
"top_p":0.5,"logprobs":true,"usage":{"prompt_tokens":5,"cost":0.1,"note":"CANARY 7f3a"},
"base_url":"https://h.example/v1?x=CANARY 7f3a","x_unknown":"CANARY 7f3a","messages2":["CANARY 7f3a"]}`

func decode(t *testing.T, data string) *record.Record {
	t.Helper()
	r, err := record.Decode([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPrivacyModeLeavesNoContentAnywhere(t *testing.T) {
	t.Parallel()
	r := decode(t, planted)
	e, _ := mapping.Map(privacy.Apply(r, private), "default")
	stored := privacy.Stored([]byte(planted), r, private)
	for what, bytes := range map[string][]byte{"event": e.AppendJSON(nil), "stored record": stored} {
		if strings.Contains(string(bytes), "CANARY") {
			t.Errorf("%s holds a canary: %s", what, bytes)
		}
	}
}

func TestPrivacyModeKeepsWhatIsNoContent(t *testing.T) {
	t.Parallel()
	e, _ := mapping.Map(privacy.Apply(decode(t, planted), private), "default")
	got := string(e.AppendJSON(nil))
	for _, want := range []string{
		`"metadata_feature":"kept"`, `"$ai_input_tokens":5`, `"$ai_total_cost_usd":0.1`, `"$ai_model":"m"`,
		`"$ai_tools":["find","flat"]`, `"$ai_error":"rate_limit"`, `"$ai_is_error":true`,
		`"$ai_model_parameters":{"top_p":0.5,"logprobs":true}`, `"distinct_id":"u"`, `"$ai_base_url":"https://h.example/v1"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("event lacks %s: %s", want, got)
		}
	}
}

func TestAPlainErrorStringBecomesError(t *testing.T) {
	t.Parallel()
	r := decode(t, `{"id":"g","tenant":"t","created_at":"2026-01-02T03:04:05Z","model":"m","error":"`+canary+`"}`)
	e, _ := mapping.Map(privacy.Apply(r, private), "default")
	if got := string(e.Properties); !strings.Contains(got, `"$ai_error":"error"`) || strings.Contains(got, canary) {
		t.Errorf("got %s", got)
	}
}

func TestWithoutTheModeTheRecordIsUntouched(t *testing.T) {
	t.Parallel()
	r := decode(t, planted)
	if got := privacy.Apply(r, privacy.Rules{}); got != r {
		t.Error("a copy was made")
	}
	if got := privacy.Stored([]byte(planted), r, privacy.Rules{}); string(got) != planted {
		t.Error("the stored record differs from what came")
	}
	if len(r.Messages) == 0 {
		t.Error("the record was changed")
	}
}
