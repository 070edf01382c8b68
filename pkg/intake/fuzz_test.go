package intake_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/intake"
)

// FuzzReader: whatever comes in, nothing but white space is lost and nothing is
// handed out twice; and two records that are valid come out as they went in,
// each in a line or spread over several.
func FuzzReader(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":1}`, `{"b":"}{\\"}`},
		{"{\n\"a\": [1,\n2]}", `[]`},
		{`{"a":`, `{"b":1}`},
		{"{\"a\":\"x\ny", "\ufeff{}\r"},
		{`{"a":[`, "{\n}{"},
		{"", "\x00"},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		joined := append(append(bytes.Clone(a), '\n'), b...)
		items := readAll(t, intake.NewReader(bytes.NewReader(joined), intake.Options{}))
		var out strings.Builder
		for i, item := range items {
			if i > 0 && item.Line < items[i-1].Line {
				t.Errorf("item %d is of line %d, the one before it of line %d", i, item.Line, items[i-1].Line)
			}
			out.WriteString(item.Data)
		}
		if got, want := bare(out.String()), bare(strings.TrimPrefix(string(joined), "\ufeff")); got != want {
			t.Errorf("out %q, in %q", got, want)
		}
		small := readAll(t, intake.NewReader(bytes.NewReader(joined), intake.Options{MaxRecord: 8}))
		for _, item := range small {
			if len(item.Data) > 8 {
				t.Errorf("%q is over the limit of 8", item.Data)
			}
		}
		checkTwo(t, a, b)
	})
}

func checkTwo(t *testing.T, a, b []byte) {
	t.Helper()
	if !isObject(a) || !isObject(b) {
		return
	}
	a, b = bytes.Trim(a, " \t\r\n"), bytes.Trim(b, " \t\r\n")
	for _, form := range []func([]byte) []byte{bytes.Clone, compact, spread} {
		want := []string{string(form(a)), string(form(b)), string(form(a))}
		items := readAll(t, intake.NewReader(strings.NewReader(strings.Join(want, "\n")), intake.Options{}))
		if len(items) != len(want) {
			t.Fatalf("%d records in, %d items out: %q", len(want), len(items), want)
		}
		for i, item := range items {
			if item.Data != want[i] {
				t.Errorf("got %q, want %q", item.Data, want[i])
			}
		}
	}
}

func isObject(v []byte) bool {
	trimmed := bytes.TrimLeft(v, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(v)
}

func compact(v []byte) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, v); err != nil {
		return v
	}
	return out.Bytes()
}

func spread(v []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, v, "", " "); err != nil {
		return v
	}
	return out.Bytes()
}

// bare leaves white space out, byte by byte: what is no UTF-8 stays itself.
func bare(s string) string { return strings.Join(strings.FieldsFunc(latin1(s), isSpace), "") }

func isSpace(c rune) bool { return strings.ContainsRune(" \t\r\n", c) }

// latin1 makes each byte a rune.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
