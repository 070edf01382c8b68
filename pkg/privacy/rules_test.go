package privacy_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/routing"
)

const hashKey = "0123456789abcdef"

func rulesOf(r destination.Rules) privacy.Rules {
	return privacy.RulesOf(&destination.Destination{Privacy: r})
}

// hashed is the hash of a user under hashKey.
func hashed(user string) string {
	mac := hmac.New(sha256.New, []byte(hashKey))
	mac.Write([]byte(user))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestMetadataKeysAreKeptAsAllowAndDenySay(t *testing.T) {
	t.Parallel()
	const trace = `{"trace_id":"t","trace_name":"n","generation_name":"g","a":1,"\u0062":{"a":2},"c":3}`
	const odd = `{"trace_id":{"x":1},"trace_name":null,"a":1}`
	for name, tt := range map[string]struct {
		filter      destination.MetadataFilter
		trace, want string
	}{
		"deny":                                {destination.MetadataFilter{Deny: []string{"a"}}, trace, `{"trace_id":"t","trace_name":"n","generation_name":"g","\u0062":{"a":2},"c":3}`},
		"deny goes by what a key means":       {destination.MetadataFilter{Deny: []string{"b"}}, trace, `{"trace_id":"t","trace_name":"n","generation_name":"g","a":1,"c":3}`},
		"allow keeps the reserved, too":       {destination.MetadataFilter{Allow: []string{"b"}}, trace, `{"trace_id":"t","trace_name":"n","generation_name":"g","\u0062":{"a":2}}`},
		"deny drops even the reserved":        {destination.MetadataFilter{Deny: []string{"trace_name", "trace_id"}}, trace, `{"generation_name":"g","a":1,"\u0062":{"a":2},"c":3}`},
		"deny wins":                           {destination.MetadataFilter{Allow: []string{"a", "c"}, Deny: []string{"a"}}, trace, `{"trace_id":"t","trace_name":"n","generation_name":"g","c":3}`},
		"case counts":                         {destination.MetadataFilter{Deny: []string{"A"}}, trace, trace},
		"what is reserved and odd is no more": {destination.MetadataFilter{Allow: []string{"a"}}, odd, `{"a":1}`},
		"unless it is named":                  {destination.MetadataFilter{Allow: []string{"trace_id"}}, odd, `{"trace_id":{"x":1}}`},
		"of two of one name none stays":       {destination.MetadataFilter{Deny: []string{"a"}}, `{"a":1,"b":2,"a":3}`, `{"b":2}`},
		"a trace that is no object":           {destination.MetadataFilter{Allow: []string{"a"}}, `"free text"`, ``},
		"the same, allowed":                   {destination.MetadataFilter{Allow: []string{"trace"}}, `"free text"`, `"free text"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := privacy.Apply(decode(t, head+`,"trace":`+tt.trace+`}`), rulesOf(destination.Rules{Metadata: tt.filter}))
			if got := string(r.Trace) + string(r.TraceOdd); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTheUserIsHashedWithTheKeyAndOnlyOnce(t *testing.T) {
	t.Parallel()
	first := rulesOf(destination.Rules{UserHashKey: destination.NewSecret(hashKey)})
	raw := head + `,"user":"alice","session_id":"alice","trace":{"who":"alice"}}`
	r := decode(t, raw)
	if got := privacy.Apply(r, first); got.User != hashed("alice") || got.SessionID != "alice" {
		t.Errorf("got %q", got.User)
	}
	if got := privacy.Apply(decode(t, head+`,"user":42}`), first).User; got != hashed("42") {
		t.Errorf("a number's hash is %q", got)
	}
	stored := privacy.Stored([]byte(raw), r, first)
	applied := privacy.Applied(first)
	second := rulesOf(destination.Rules{UserHashKey: destination.NewSecret("another key, of later")})
	again := decode(t, string(stored))
	if got := privacy.Apply(again, second.After(applied)).User; got != hashed("alice") {
		t.Errorf("after the key was rotated the user is %q", got)
	}
	if bytes.Contains(stored, []byte(`"user":"alice"`)) {
		t.Errorf("the user is stored: %s", stored)
	}
}

func TestIDsThatNameNobodyAreNotHashed(t *testing.T) {
	t.Parallel()
	rules := rulesOf(destination.Rules{UserHashKey: destination.NewSecret(hashKey)})
	for _, user := range []string{"anonymous", " Guest ", "0", "null", "[object Object]", ""} {
		r := decode(t, head+`,"user":`+quote(user)+`,"session_id":"s"}`)
		plain, _ := mapping.Map(r, "d")
		got, _ := mapping.Map(privacy.Apply(r, rules), "d")
		if !got.Personless || got.DistinctID != plain.DistinctID {
			t.Errorf("%q became the person %q", user, got.DistinctID)
		}
	}
}

// sown is an address in each place where a record has text.
const sown = `{"id":"g-bob@x.com","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m-bob@x.com","provider":"bob@x.com","user":"bob@x.com","session_id":"bob@x.com","api_key_id":"bob@x.com",
"trace":{"trace_id":"bob@x.com","trace_name":"bob@x.com","generation_name":"bob@x.com","k":"bob@x.com","bob@x.com":{"al@x.com":[{"z@x.com":"bob\u0040x.com"}]},"card":4111111111111111,"exp":4.111111111111111e15,"neg":-4111111111111111,"n":1,"t":true},
"messages":[{"role":"user","content":"bob@x.com"},"bob@x.com",{"content":[{"type":"text","text":"bob@x.com"},{"bob@x.com":4111111111111111},{"type":"image","source":{"media_type":"image/png","data":"QUJDQUJD"}}]}],
"choices":[{"message":{"content":"bob@x.com","tool_calls":[{"function":{"name":"bob@x.com","arguments":"{\"a\":\"bob\\u0040x.com\\nal@x.com\",\"bob@x.com\":{\"n\":\"{\\\"e\\\":\\\"bob\\\\u0040x.com\\\"}\"}}"}}]},"finish_reason":"bob@x.com"}],
"tools":[{"function":{"name":"bob@x.com","description":"bob@x.com","parameters":{"bob@x.com":{"default":"bob@x.com"}}}}],
"error":{"code":"bob@x.com","type":"bob@x.com","message":"to bob@x.com"},"finish_reason":"bob@x.com","stop":["bob@x.com"],"response_format":{"bob@x.com":"bob@x.com"},"tool_choice":{"function":{"name":"bob@x.com"}},"reasoning":"bob@x.com","service_tier":"bob@x.com",
"seed":4111111111111111,"top_p":0.5,"latency_ms":4111111111111111,"usage":{"prompt_tokens":4111111111111111},
"response_model":"bob@x.com","base_url":"https://h.example/bob%40x.com","request_url":"https://h.example/bob%40x.com","groups":{"bob@x.com":"bob@x.com","z@x.com":{}},
"x_unknown":"bob@x.com","stream":"bob@x.com"}`

func TestRedactionReachesEveryTextButIdentifiers(t *testing.T) {
	t.Parallel()
	rules := with("email", "card")
	r := decode(t, sown)
	e, _ := mapping.Map(privacy.Apply(r, rules), "d")
	stored := privacy.Stored([]byte(sown), r, rules)
	for what, data := range map[string][]byte{"event": e.AppendJSON(nil), "stored record": stored} {
		text := string(data)
		if !json.Valid(data) {
			t.Fatalf("%s is no JSON: %s", what, text)
		}
		// the identifiers: id, user, session_id and trace_id, and api_key_id where it is stored
		want := map[string]int{"event": 4, "stored record": 5}[what]
		if got := strings.Count(text, "bob@x.com"); got != want {
			t.Errorf("%s: %d addresses are left, want %d: %s", what, got, want, text)
		}
		for _, secret := range []string{"al@x.com", "z@x.com", "bob%40", "u0040", "x_unknown"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s: %s", what, secret, text)
			}
		}
		for _, typed := range []string{`"seed":4111111111111111`, `4.111111111111111`} {
			if strings.Contains(text, typed) != (typed[1] == 's') {
				t.Errorf("%s: %s: %s", what, typed, text)
			}
		}
		if !strings.Contains(text, `[base64 image/png, 6 bytes]`) {
			t.Errorf("%s: base64 data is not stripped: %s", what, text)
		}
	}
	var got struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(e.AppendJSON(nil), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"metadata_card": "[redacted:card]", "metadata_exp": "[redacted:card]", "metadata_neg": "[redacted:card]", "metadata_n": 1.0, "metadata_t": true,
		"trace_name": "[redacted:email]", "$ai_span_name": "[redacted:email]", "$ai_trace_id": "bob@x.com", "$ai_stop_reason": "[redacted:email]",
		"$ai_error": "to [redacted:email]", "$ai_model": "[redacted:email]", "$ai_input_tokens": 4111111111111111.0,
		"hogcast_dropped_fields": []any{"groups.[redacted:email]", "stream"},
	} {
		if diff := cmp.Diff(want, got.Properties[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestStringsThatHoldNothingKeepTheirBytes(t *testing.T) {
	t.Parallel()
	const content = `[ {"role" :"user","content":"\u0041\/ \ud83d\ude00 \\n 12 @ 5.00"},  {"n":1.50e2,"x":[ ]} ]`
	r := privacy.Apply(decode(t, head+`,"messages":`+content+`}`), with("email", "phone", "card", "secret", `own=zzz\d`))
	if got := string(r.Messages); got != content {
		t.Errorf("got  %s\nwant %s", got, content)
	}
}

func TestWhatStandsAroundAMatchStaysWellFormed(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"\ud83d\ude00bob@x.com\ud83d\ude00"`:                 `"\ud83d\ude00[redacted:email]\ud83d\ude00"`,
		`"{\"to\":\"\\u0062ob@x.com\"}"`:                      `"{\"to\":\"[redacted:email]\"}"`,
		`"{\"to\":\"\\nbob@x.com\\n\"}"`:                      `"{\"to\":\"[redacted:email]\\n\"}"`,
		`"a\nbob@x.com\tc"`:                                   `"a\n[redacted:email]\tc"`,
		`"{\"a\":\"{\\\"b\\\":\\\"bob\\\\u0040x.com\\\"}\"}"`: `"{\"a\":\"{\\\"b\\\":\\\"[redacted:email]\\\"}\"}"`,
		`"bob@x.com al@y.org"`:                                `"[redacted:email] [redacted:email]"`,
	} {
		if got := redacted(t, in, with("email")); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestOwnPatternsAndTheirOrder(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rules    privacy.Rules
		in, want string
	}{
		"an own expression":               {with(`ticket=TCK-\d+`), `"TCK-1, TCK-22 and TCK-"`, `"[redacted:ticket], [redacted:ticket] and TCK-"`},
		"case folded":                     {with(`word=(?i)secret`), `"SeCrEt"`, `"[redacted:word]"`},
		"numbers":                         {with(`ssn=\d{9}`), `{"n":123456789}`, `{"n":"[redacted:ssn]"}`},
		"the first of two gives its name": {with(`dom=x\.com`, "email"), `"bob@x.com"`, `"[redacted:dom]"`},
		"and the same the other way":      {with("email", `dom=x\.com`), `"bob@x.com"`, `"[redacted:email]"`},
		"across escapes":                  {with(`two=a b`), `"a\u0020b"`, `"[redacted:two]"`},
		"the marker is opaque":            {with("email", `red=redacted`), `"bob@x.com redacted"`, `"[redacted:email] [redacted:red]"`},
		"but only that of a rule":         {with(`digits=\d+`), `"[redacted:4111]"`, `"[redacted:[redacted:digits]]"`},
		"anchors go on finding":           {with(`x=^a`), `"aaa"`, `"[redacted:x]aa"`},
		"the empty match is none":         {with(`b=\b`), `"a b"`, `"a b"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := redacted(t, tt.in, tt.rules); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestKeysTellWhatDigitsAndWordsAre(t *testing.T) {
	t.Parallel()
	rules := with("phone", "secret")
	for in, want := range map[string]string{
		`{"phone":4155552671}`:                 `{"phone":"[redacted:phone]"}`,
		`{"mobile_number":"491701234567"}`:     `{"mobile_number":"[redacted:phone]"}`,
		`{"phones":[4155552671,"5552671"]}`:    `{"phones":["[redacted:phone]","[redacted:phone]"]}`,
		`{"contact":4155552671}`:               `{"contact":"[redacted:phone]"}`,
		`{"whoever":4155552671}`:               `{"whoever":"[redacted:phone]"}`,
		`{"order_id":4155552671}`:              `{"order_id":4155552671}`,
		`{"created":1700000000}`:               `{"created":1700000000}`,
		`{"password":"correcthorse"}`:          `{"password":"[redacted:secret]"}`,
		`{"x-api-key":"abcd"}`:                 `{"x-api-key":"[redacted:secret]"}`,
		`{"\u0070assword":"correcthorse"}`:     `{"\u0070assword":"[redacted:secret]"}`,
		`{"password":"the user's password"}`:   `{"password":"the user's password"}`,
		`{"password":{"type":"string"}}`:       `{"password":{"type":"string"}}`,
		`{"required":["password"]}`:            `{"required":["password"]}`,
		`{"token":"hello","max_tokens":12345}`: `{"token":"hello","max_tokens":12345}`,
	} {
		if got := redacted(t, in, rules); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestAllowedKeysAndReservedOnesKeepTheirNames(t *testing.T) {
	t.Parallel()
	rules := rulesOf(destination.Rules{
		Metadata: destination.MetadataFilter{Allow: []string{"ticket"}}, Redact: []destination.Pattern{{Name: "t", Expr: "t[ir]"}},
	})
	raw := head + `,"trace":{"ticket":{"ticket":"ticket"},"trace_name":"train"}}`
	once := privacy.Stored([]byte(raw), decode(t, raw), rules)
	const want = `"trace":{"ticket":{"[redacted:t]cket":"[redacted:t]cket"},"trace_name":"[redacted:t]ain"}`
	if !bytes.Contains(once, []byte(want)) {
		t.Errorf("got %s, want %s", once, want)
	}
	if twice := privacy.Stored(once, decode(t, string(once)), rules); !bytes.Equal(twice, once) {
		t.Errorf("then %s", twice)
	}
}

func TestRulesSaySoWhenTheyHaveNothingToDoToWhatIsStored(t *testing.T) {
	t.Parallel()
	d := &destination.Destination{PrivacyMode: true, Privacy: destination.Rules{
		UserHashKey: destination.NewSecret(hashKey), Redact: []destination.Pattern{{Name: "email"}},
	}}
	rules := privacy.RulesOf(d)
	applied := privacy.Applied(rules)
	if want := []string{"privacy_mode", "user_hash", "redact"}; len(applied) != 4 || !slices.Equal(applied[:3], want) || !strings.HasPrefix(applied[3], "rev:") {
		t.Errorf("applied %q", applied)
	}
	if !rules.Current(applied) || rules.Current(nil) || rules.Current([]string{"privacy_mode"}) {
		t.Error("rules don't know what they have applied")
	}
	rotated := *d
	rotated.Privacy.UserHashKey = destination.NewSecret("another key, of later")
	if !privacy.RulesOf(&rotated).Current(applied) {
		t.Error("another key is no stricter rule")
	}
	stricter := *d
	stricter.Privacy.Redact = append(slices.Clone(d.Privacy.Redact), destination.Pattern{Name: "phone"})
	strict := privacy.RulesOf(&stricter)
	if strict.Current(applied) {
		t.Error("a further pattern is a stricter rule")
	}
	both := privacy.Add(applied, strict.After(applied))
	if len(both) != 4 || !strict.Current(both) || !slices.Contains(both, privacy.RuleUserHash) {
		t.Errorf("then %q", both)
	}
	if got := privacy.Applied(privacy.Rules{PrivacyMode: true}); !slices.Equal(got, []string{"privacy_mode"}) {
		t.Errorf("the mode alone is noted as %q", got)
	}
	off := privacy.RulesOf(&destination.Destination{})
	if got := privacy.Add(both, off); !slices.Equal(got, both) || !off.Current(both) {
		t.Errorf("without rules %q becomes %q", both, got)
	}
}

// Routing and sampling look at the record as it came: a hash or a dropped
// trace_id moves nobody in or out of the sample.
func TestRoutingGoesByTheRecordAsItCame(t *testing.T) {
	t.Parallel()
	d := &destination.Destination{ID: destination.ID{Tenant: "acme", Name: "d"}, Enabled: true, SamplingRate: 0.5, Privacy: destination.Rules{
		UserHashKey: destination.NewSecret(hashKey), Metadata: destination.MetadataFilter{Deny: []string{"trace_id"}},
		Redact: []destination.Pattern{{Name: "all", Expr: "."}},
	}}
	plain := *d
	plain.Privacy = destination.Rules{}
	in := 0
	for i := range 200 {
		r := decode(t, head+`,"user":"u","trace":{"trace_id":`+quote(strings.Repeat("t", i+1))+`}}`)
		got := routing.Decide(r, d).Deliver()
		if got != routing.Decide(r, &plain).Deliver() {
			t.Fatal("rules change the sample")
		}
		if got {
			in++
		}
	}
	if in < 60 || in > 140 {
		t.Errorf("%d of 200 are in", in)
	}
}

func TestTheHashedDistinctIDIsTheSameInEventsOfOneUser(t *testing.T) {
	t.Parallel()
	rules := rulesOf(destination.Rules{UserHashKey: destination.NewSecret(hashKey)})
	e, _ := mapping.Map(privacy.Apply(decode(t, head+`,"user":"alice"}`), rules), "d")
	if e.DistinctID != hashed("alice") || e.Personless {
		t.Errorf("got %q", e.DistinctID)
	}
}

func TestAPatternThatDoesNotCompileLetsNothingThrough(t *testing.T) {
	t.Parallel()
	for _, rules := range []privacy.Rules{with("bad=("), with("unknown")} {
		if got := redacted(t, `"anything"`, rules); strings.Contains(got, "anything") {
			t.Errorf("got %s", got)
		}
	}
}
