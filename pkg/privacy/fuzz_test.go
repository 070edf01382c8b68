package privacy_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

var everything = with("email", "phone", "card", "secret", `digits=\d{3}-\d{2}`, `word=\bcat\b`, `anchored=^x+$`, `brackets=\[.*\]`, `wide=a.*z`, `redacted=redacted`)

// FuzzRedact: of any JSON comes JSON of the same structure, but that numbers may
// have become strings; a second time changes nothing; and nothing that is left
// matches.
func FuzzRedact(f *testing.F) {
	for name, texts := range found {
		_ = name
		for _, text := range texts {
			f.Add([]byte(quote(text)))
			f.Add([]byte(`{"phone":` + quote(quote(text)) + `}`))
		}
	}
	for _, seed := range []string{
		`{"bob\u0040x.com":{"a":[4111111111111111,4.111111111111111e15,-1.5,null,true]}}`, `"\\nbob\\u0040x.com\\"`, `"\ud83d\ude00bob@x.com\ud800"`,
		`"[redacted:email] [redacted:nobody] [redacted:"`, `"a\\\\\\u0040b@x.com"`, `{"password":"hunter2","password":["hunter2"]}`, "\"\xffbob@x.com\xff\"", `"x[redacted:word]z"`, `"C:\\new\\bob@x.com"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value := bytes.TrimSpace(data)
		if !jsontext.Value(value).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			return
		}
		in := &record.Record{Model: "m", TraceOdd: value}
		once := privacy.Apply(in, everything)
		if !once.TraceOdd.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			t.Fatalf("%q became %q", value, once.TraceOdd)
		}
		if a, b := shape(value), shape(once.TraceOdd); a != b {
			t.Fatalf("%q became %q: the structure %s became %s", value, once.TraceOdd, a, b)
		}
		if twice := privacy.Apply(once, everything); !bytes.Equal(twice.TraceOdd, once.TraceOdd) {
			t.Fatalf("%q became %q, then %q", value, once.TraceOdd, twice.TraceOdd)
		}
	})
}

// shape is a value's structure: scalars but null, true and false alike.
func shape(v []byte) string {
	switch {
	case rawjson.IsObject(v):
		s := "{"
		for _, value := range rawjson.Object(v) {
			s += shape(value) + ","
		}
		return s + "}"
	case rawjson.IsArray(v):
		s := "["
		for value := range rawjson.Array(v) {
			s += shape(value) + ","
		}
		return s + "]"
	case rawjson.IsString(v) || rawjson.IsNumber(v):
		return "s"
	}
	return string(v)
}

// FuzzApply: whatever the record, what is stored of it can be read again, says
// the same once the rules have been applied again, and a second application of
// what may be applied twice changes nothing.
func FuzzApply(f *testing.F) {
	f.Add([]byte(planted), true)
	f.Add([]byte(head+`,"user":"u","trace":{"a@b.de":1,"trace_id":"bob@x.com","trace_name":{"deny":"x"},"x":[{"deny":1}]},"groups":{"bob@x.com":"al@x.com","g":{}},"finish_reason":"x-cat","tools":["a cat","cat",{"name":"cat_cat"}],"error":{"code":"cat","message":"bob@x.com"}}`), true)
	f.Add([]byte(head+`,"trace":"bob@x.com","messages":"bob@x.com","stop":["bob@x.com"],"seed":4111111111111111,"tool_choice":4111111111111111}`), false)
	d := &destination.Destination{ID: destination.ID{Tenant: "acme", Name: "d"}}
	d.Privacy = destination.Rules{
		UserHashKey: destination.NewSecret("0123456789abcdef"), Metadata: destination.MetadataFilter{Deny: []string{"deny"}},
		Redact: []destination.Pattern{{Name: "email"}, {Name: "phone"}, {Name: "card"}, {Name: "secret"}, {Name: "cat", Expr: "cat"}},
	}
	f.Fuzz(func(t *testing.T, data []byte, mode bool) {
		r, err := record.Decode(data)
		if err != nil {
			return
		}
		d := *d
		d.PrivacyMode = mode
		rules := privacy.RulesOf(&d)
		stored := privacy.Stored(data, r, rules)
		again, err := record.Decode(stored)
		if err != nil {
			t.Fatalf("what is stored of %q can't be read: %v: %q", data, err, stored)
		}
		after := rules.After(privacy.Applied(rules))
		if twice := privacy.Stored(stored, again, after); !bytes.Equal(twice, stored) {
			t.Fatalf("%q is stored as %q, then as %q", data, stored, twice)
		}
	})
}

func FuzzExplainShowsNoValue(f *testing.F) {
	f.Add("CANARY@example.com", "k")
	f.Add("sk-CANARY1234567890CANARY", "CANARY@example.com")
	f.Fuzz(func(t *testing.T, secret, key string) {
		data := head + `,"messages":[{"content":` + quote(secret) + `}],"trace":{` + quote(key) + `:` + quote(secret) + `}}`
		r, err := record.Decode([]byte(data))
		if err != nil {
			return
		}
		private, effects := privacy.Explain(r, everything)
		if want := privacy.Apply(r, everything); !bytes.Equal(private.AppendJSON(nil), want.AppendJSON(nil)) {
			t.Fatal("explaining changes what rules do")
		}
		shown, err := json.Marshal(effects)
		if err != nil {
			t.Fatal(err)
		}
		touched := slices.ContainsFunc(effects, func(e privacy.Effect) bool { return e.Path == "messages[0].content" })
		if touched && len(secret) > 12 && bytes.Contains(shown, []byte(secret)) {
			t.Fatalf("%q is shown: %s", secret, shown)
		}
	})
}
