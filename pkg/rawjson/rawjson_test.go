package rawjson_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

func TestRewriteRepairsCutsAndStrips(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("QUJD", 40)
	all := rawjson.Rules{Depth: 98, StripBinary: true}
	tests := []struct {
		name, in, want string
		rules          rawjson.Rules
	}{
		{"white space goes", " { \"a\" : [ 1 , 2 ] } ", `{"a":[1,2]}`, all},
		{"depth", `{"a":{"b":[1]}}`, `{"a":{"b":"[truncated]"}}`, rawjson.Rules{Depth: 2}},
		{"depth 0 keeps scalars", `5`, `5`, rawjson.Rules{}},
		{"depth 0 cuts containers", `[]`, `"[truncated]"`, rawjson.Rules{}},
		{"NUL", `"a\u0000b"`, `"a�b"`, all},
		{"half a pair, low", `"\udc00"`, `"�"`, all},
		{"two halves of one side", `"\ud800\ud800"`, `"��"`, all},
		{"a pair", `"\ud83d\ude00"`, `"\ud83d\ude00"`, all},
		{"an escaped backslash before u", `"\\u0000"`, `"\\u0000"`, all},
		{"invalid UTF-8 in a key", "{\"a\xff\":1}", `{"a�":1}`, all},
		{"beyond a double", `[1e400,-1e999,1e-999,1e308]`, `["1e400","-1e999",1e-999,1e308]`, all},
		{"many digits beyond a double", strings.Repeat("9", 400), `"` + strings.Repeat("9", 400) + `"`, all},
		{"a data URL", `"data:image/png;base64,AAAA"`, `"[base64 image/png, 3 bytes]"`, all},
		{"a data URL in a text", `"see ![x](data:image/gif;base64,AAAAAAA=) and more"`, `"see ![x]([base64 image/gif, 5 bytes]) and more"`, all},
		{"a data URL with escaped slashes", `"data:image\/png;base64,AAAA"`, `"[base64 image/png, 3 bytes]"`, all},
		{"an https URL", `{"url":"https://x.example/a.png"}`, `{"url":"https://x.example/a.png"}`, all},
		{"OpenAI audio", `{"data":"AAAA","format":"wav"}`, `{"data":"[base64 audio/wav, 3 bytes]","format":"wav"}`, all},
		{"Anthropic", `{"type":"base64","media_type":"image/jpeg","data":"AAAA"}`, `{"type":"base64","media_type":"image/jpeg","data":"[base64 image/jpeg, 3 bytes]"}`, all},
		{"Gemini", `{"inlineData":{"mimeType":"image/webp","data":"AAAA"}}`, `{"inlineData":{"mimeType":"image/webp","data":"[base64 image/webp, 3 bytes]"}}`, all},
		{"an escaped key", `{"\u0064ata":"AAAA","format":"mp3"}`, `{"\u0064ata":"[base64 audio/mp3, 3 bytes]","format":"mp3"}`, all},
		{"long bare base64", `{"image":"` + long + `"}`, `{"image":"[base64 application/octet-stream, 120 bytes]"}`, all},
		{"a word is no base64", `{"data":"hello","format":"json"}`, `{"data":"hello","format":"json"}`, all},
		{"a sentence under data", `{"data":"hello there, world","media_type":"text/plain"}`, `{"data":"hello there, world","media_type":"text/plain"}`, all},
		{"only talk of base64", `"what is ;base64, good for?"`, `"what is ;base64, good for?"`, all},
		{"without the rule it stays", `"data:image/png;base64,AAAA"`, `"data:image/png;base64,AAAA"`, rawjson.Rules{Depth: 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(rawjson.Rewrite(nil, []byte(tt.in), tt.rules)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestInspectTellsWhatRewriteWouldDo(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]rawjson.Facts{
		`"plain"`:               {},
		`[{"a":[1]},{}]`:        {Depth: 3},
		`["a",{}]`:              {Depth: 2, Mixed: true},
		`[[]]`:                  {Depth: 2, Mixed: true},
		`[null]`:                {Depth: 1, Mixed: true},
		`"\u0000"`:              {Unsound: true, Binary: true},
		`"\u00e9 \ud83d\ude00"`: {},
		`1e400`:                 {Unsound: true},
		`{"data":"x"}`:          {Depth: 1, Binary: true},
		`["data"]`:              {Depth: 1, Mixed: true},
		`"a;base64,b"`:          {Binary: true},
	} {
		got := rawjson.Inspect([]byte(in))
		if strings.HasPrefix(in, `["data"]`) {
			got.Binary = false // a value at the end of an array may look like a key; that costs a look, no more
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

func TestShrinkCutsTheLongestStringsToOneLength(t *testing.T) {
	t.Parallel()
	in := `{"role":"user","a":"` + strings.Repeat("x", 1000) + `","b":"` + strings.Repeat("é", 400) + `","c":"short"}`
	out, ok := rawjson.Shrink(nil, []byte(in), 900)
	if !ok || len(out) > len(in)-900 {
		t.Fatalf("ok %t, %d of %d bytes", ok, len(out), len(in))
	}
	var got map[string]string
	if err := json.Unmarshal(out, &got); err != nil || !utf8.Valid(out) {
		t.Fatalf("%v: %s", err, out)
	}
	if got["role"] != "user" || got["c"] != "short" || !strings.HasSuffix(got["a"], "[truncated]") {
		t.Errorf("got %v", got)
	}
	if _, ok := rawjson.Shrink(nil, []byte(in), len(in)); ok {
		t.Error("it can't be as short as that")
	}
}

func TestWalkingYieldsWhatStandsThere(t *testing.T) {
	t.Parallel()
	var got []string
	for key, value := range rawjson.Object([]byte(`{ "a" : 1 , "b\"}" : { "x" : [ "}" ] } , "c":"\\" ,"d":null}`)) {
		got = append(got, string(key)+"="+string(value))
	}
	if diff := cmp.Diff([]string{`"a"=1`, `"b\"}"={ "x" : [ "}" ] }`, `"c"="\\"`, `"d"=null`}, got); diff != "" {
		t.Error(diff)
	}
	got = nil
	for element := range rawjson.Array([]byte(`[ "a]" , [1,[2]] , {} ,-1.5e3]`)) {
		got = append(got, string(element))
	}
	if diff := cmp.Diff([]string{`"a]"`, `[1,[2]]`, `{}`, `-1.5e3`}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzRewrite: the output is strict JSON whatever well-formed JSON comes in,
// rewriting it again changes nothing, and what Inspect finds nothing wrong
// with means the same rewritten.
func FuzzRewrite(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1e400,"\ud800\u0000",{"data":"AAAA","format":"wav"}]}`, `"data:image/png;base64,AA=="`, `[[[[[]]]]]`, `{"\"":"\\","b\u0000":1}`, "\"\xff\"",
	} {
		f.Add([]byte(seed), 3)
	}
	readOptions := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	f.Fuzz(func(t *testing.T, data []byte, depth int) {
		value := jsontext.Value(bytes.TrimSpace(data))
		if depth < 0 || depth > 200 || !value.IsValid(readOptions...) {
			return
		}
		rules := rawjson.Rules{Depth: depth, StripBinary: true}
		facts := rawjson.Inspect(value)
		out := rawjson.Rewrite(nil, value, rules)
		if !jsontext.Value(out).IsValid(jsontext.AllowDuplicateNames(true)) {
			t.Fatalf("%q became %q", value, out)
		}
		checkNoDataURL(t, out)
		after := rawjson.Inspect(out)
		if after.Unsound || after.Depth > depth {
			t.Fatalf("%q became %q: %+v", value, out, after)
		}
		if again := rawjson.Rewrite(nil, out, rules); !bytes.Equal(again, out) {
			t.Fatalf("%q became %q, then %q", value, out, again)
		}
		if !facts.Unsound && !facts.Binary && facts.Depth <= depth {
			if err := value.Compact(readOptions...); err != nil || !bytes.Equal(value, out) {
				t.Fatalf("nothing was to be done to %q, but %q came of it", value, out)
			}
		}
	})
}

// dataURL is base64 data behind its media type, which has no space.
var dataURL = regexp.MustCompile(`data:[^\s"'<>()]*;base64,`)

// checkNoDataURL looks through the strings of a value, but not at keys.
func checkNoDataURL(t *testing.T, value []byte) {
	t.Helper()
	switch {
	case rawjson.IsString(value):
		if s := rawjson.String(value); dataURL.MatchString(s) {
			t.Fatalf("a data URL is left: %q", s)
		}
	case rawjson.IsArray(value):
		for element := range rawjson.Array(value) {
			checkNoDataURL(t, element)
		}
	case rawjson.IsObject(value):
		for _, member := range rawjson.Object(value) {
			checkNoDataURL(t, member)
		}
	}
}
