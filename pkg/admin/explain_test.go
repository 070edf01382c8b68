package admin_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/test/golden"
)

// strict has every privacy rule.
func strict() *destination.Destination {
	d := &destination.Destination{ID: destination.ID{Name: "main"}, Enabled: true, SamplingRate: 1}
	d.APIKeys.Exclude = []string{"k2"}
	d.Privacy = destination.Rules{
		Metadata: destination.MetadataFilter{Deny: []string{"secret_project"}}, UserHashKey: destination.NewSecret("0123456789abcdef"),
		Redact: []destination.Pattern{{Name: "email"}, {Name: "phone"}, {Name: "card"}, {Name: "secret"}, {Name: "ticket", Expr: `TCK-\d+`}},
	}
	return d
}

// explainCases are records that meet each rule; CANARY is part of every value
// that no explanation may show.
const explainCases = good + `,"user":"CANARY1","session_id":"s-CANARY@x.com","messages":[{"role":"user","content":"CANARY@x.com or CANARY\u0040y.com, 4111 1111 1111 1111, TCK-12"}],` +
	`"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":"{\"to\":\"CANARY\\u0040x.com\",\"tel\":\"+1 415 555 2671\"}"}}]}}],` +
	`"trace":{"secret_project":"CANARY","CANARY@x.com":{"n":4111111111111111},"trace_name":"for CANARY@x.com"},"error":{"message":"Bearer CANARY123def"},"usage":{"prompt_tokens":-1},"groups":{"CANARY@x.com":{}}}` + "\n" +
	good + `,"api_key_id":"k2","prompt":"CANARY@x.com"}` + "\n" +
	good + `,"prompt":"hello"}` + "\n" +
	"oops CANARY\n" +
	good + `,"user":"anonymous","input":"CANARY"}` + "\n"

func TestExplainTellsWhatEachRuleDidAndShowsNoValue(t *testing.T) {
	t.Parallel()
	private := strict()
	private.PrivacyMode, private.Privacy.UserHashKey = true, destination.Secret{}
	sampled := strict()
	sampled.SamplingRate = destination.MinSamplingRate
	for name, p := range map[string]admin.MapParams{
		"explain":         {Rules: strict()},
		"explain-json":    {Rules: strict(), JSON: true},
		"explain-mode":    {Rules: private},
		"explain-sampled": {Rules: sampled},
		"explain-none":    {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			p.In, p.Out, p.Errors, p.Explain = strings.NewReader(explainCases), &out, &errs, true
			result, err := admin.Map(t.Context(), p)
			if err != nil || result.Bad != 1 {
				t.Fatalf("%+v, %v", result, err)
			}
			if p.Rules != nil && strings.Contains(errs.String(), "CANARY") {
				t.Errorf("a value is shown:\n%s", errs.String())
			}
			golden.Check(t, "testdata/"+name+".golden", errs.String())
			p.In, p.Out, p.Errors, p.Explain = strings.NewReader(explainCases), &errs, &bytes.Buffer{}, false
			errs.Reset()
			if _, err := admin.Map(t.Context(), p); err != nil || !bytes.Equal(errs.Bytes(), out.Bytes()) {
				t.Errorf("explaining changes the events: %v", err)
			}
		})
	}
}
