package intake_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/intake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// got is an item whose data outlives the next call.
type got struct {
	Line int
	Data string
	Long bool
}

func readAll(tb testing.TB, r *intake.Reader) []got {
	tb.Helper()
	var all []got
	for {
		item, ok := r.Next()
		if !ok {
			return all
		}
		g := got{Line: item.Line, Data: string(item.Data)}
		var long *intake.TooLong
		if g.Long = errors.As(item.Err, &long); g.Long && long.Line != item.Line {
			tb.Errorf("item of line %d has an error of line %d", item.Line, long.Line)
		}
		all = append(all, g)
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	const pretty = "{\n  \"id\": \"a\",\n  \"trace\": {\n    \"x\": [1,\n2]\n  }\n}"
	for name, c := range map[string]struct {
		in   string
		max  int
		want []got
	}{
		"nothing at all":                           {in: ""},
		"nothing but white space":                  {in: " \n\r\n\t\n"},
		"one record a line":                        {in: "{\"a\":1}\n{\"b\":2}\n", want: []got{{Line: 1, Data: `{"a":1}`}, {Line: 2, Data: `{"b":2}`}}},
		"the last line has no end":                 {in: "{}\n{\"b\":2}", want: []got{{Line: 1, Data: `{}`}, {Line: 2, Data: `{"b":2}`}}},
		"blank lines are counted, not read":        {in: "\n{}\n  \n\n{}\n", want: []got{{Line: 2, Data: `{}`}, {Line: 5, Data: `{}`}}},
		"CR before LF":                             {in: "{\"a\":1}\r\n\r\n{}\r\n", want: []got{{Line: 1, Data: `{"a":1}`}, {Line: 3, Data: `{}`}}},
		"a byte order mark at the start":           {in: "\ufeff{}\n{}", want: []got{{Line: 1, Data: `{}`}, {Line: 2, Data: `{}`}}},
		"a byte order mark elsewhere":              {in: "{}\n\ufeff{}", want: []got{{Line: 1, Data: `{}`}, {Line: 2, Data: "\ufeff{}"}}},
		"brackets and quotes within strings":       {in: `{"a":"{[\"\\"}` + "\n" + `{"a\\":"}"}`, want: []got{{Line: 1, Data: `{"a":"{[\"\\"}`}, {Line: 2, Data: `{"a\\":"}"}`}}},
		"what is no JSON is handed out":            {in: "nonsense\n]\n}\n{}", want: []got{{Line: 1, Data: "nonsense"}, {Line: 2, Data: "]"}, {Line: 3, Data: "}"}, {Line: 4, Data: "{}"}}},
		"two values in a line are not split":       {in: "{} {}\n{}{}", want: []got{{Line: 1, Data: "{} {}"}, {Line: 2, Data: "{}{}"}}},
		"a document that spans lines":              {in: pretty + "\n", want: []got{{Line: 1, Data: pretty}}},
		"without a line's end":                     {in: pretty, want: []got{{Line: 1, Data: pretty}}},
		"several of them, a line between":          {in: pretty + "\n{}\n\n" + pretty, want: []got{{Line: 1, Data: pretty}, {Line: 8, Data: "{}"}, {Line: 10, Data: pretty}}},
		"one begins where another ends":            {in: "{\"a\":\n1}{\"b\":\n2}", want: []got{{Line: 1, Data: "{\"a\":\n1}"}, {Line: 2, Data: "{\"b\":\n2}"}}},
		"rubbish behind a document":                {in: "{\"a\":\n1} x\n{}", want: []got{{Line: 1, Data: "{\"a\":\n1}"}, {Line: 2, Data: "x"}, {Line: 3, Data: "{}"}}},
		"an array over lines is one item":          {in: "[\n{},\n{}\n]\n{}", want: []got{{Line: 1, Data: "[\n{},\n{}\n]"}, {Line: 5, Data: "{}"}}},
		"a document with CR":                       {in: "{\r\n\"a\":1\r\n}\r\n{}", want: []got{{Line: 1, Data: "{\r\n\"a\":1\r\n}"}, {Line: 4, Data: "{}"}}},
		"duplicate keys, bad UTF-8 and NUL":        {in: "{\"a\":\"\xff\x00\",\n\"a\":1}", want: []got{{Line: 1, Data: "{\"a\":\"\xff\x00\",\n\"a\":1}"}}},
		"an escaped quote where a document begins": {in: "{\"a\":\"x\\\"\",\n\"b\":\"\\\\\"}", want: []got{{Line: 1, Data: "{\"a\":\"x\\\"\",\n\"b\":\"\\\\\"}"}}},
		"blank lines in a document":                {in: "{\n\n\"a\":1\n\n}\n{}", want: []got{{Line: 1, Data: "{\n\n\"a\":1\n\n}"}, {Line: 6, Data: "{}"}}},
		"cut off within a string":                  {in: "{\"a\":\"x\n{\"b\":1}\n", want: []got{{Line: 1, Data: `{"a":"x`}, {Line: 2, Data: `{"b":1}`}}},
		"cut off behind a colon":                   {in: "{\"a\":\n{\"b\":1}\n{\"c\":1}\n", want: []got{{Line: 1, Data: `{"a":`}, {Line: 2, Data: `{"b":1}`}, {Line: 3, Data: `{"c":1}`}}},
		"cut off behind a closing bracket":         {in: "{\"a\":{}\n{\"b\":1}\n", want: []got{{Line: 1, Data: `{"a":{}`}, {Line: 2, Data: `{"b":1}`}}},
		"cut off behind an opening bracket":        {in: "{\"a\":[\n{\"b\":1}\n{\"c\":1}\n", want: []got{{Line: 1, Data: `{"a":[`}, {Line: 2, Data: `{"b":1}`}, {Line: 3, Data: `{"c":1}`}}},
		"cut off behind a comma":                   {in: "{\"a\":1,\n{\"b\":1}\n", want: []got{{Line: 1, Data: `{"a":1,`}, {Line: 2, Data: `{"b":1}`}}},
		"the second-last line cut off":             {in: "{\"a\":\n{\"b\":1}", want: []got{{Line: 1, Data: `{"a":`}, {Line: 2, Data: `{"b":1}`}}},
		"the last line cut off":                    {in: "{\"b\":1}\n{\"a\":", want: []got{{Line: 1, Data: `{"b":1}`}, {Line: 2, Data: `{"a":`}}},
		"two lines cut off":                        {in: "{\"a\":\n{\"a\":[\n{\"b\":1}\n{\"c\":\n2}\n", want: []got{{Line: 1, Data: `{"a":`}, {Line: 2, Data: `{"a":[`}, {Line: 3, Data: `{"b":1}`}, {Line: 4, Data: "{\"c\":\n2}"}}},
		"a document cut off, then records":         {in: "{\n  \"a\": 1,\n{\"b\":1}\n", want: []got{{Line: 1, Data: "{"}, {Line: 2, Data: `"a": 1,`}, {Line: 3, Data: `{"b":1}`}}},
		"a line over the limit":                    {in: "{}\n{\"a\":\"123456\"}\n{}\n", max: 10, want: []got{{Line: 1, Data: "{}"}, {Line: 2, Long: true}, {Line: 3, Data: "{}"}}},
		"the last line over the limit":             {in: "{}\n{\"a\":\"123456\"}", max: 10, want: []got{{Line: 1, Data: "{}"}, {Line: 2, Long: true}}},
		"a line of just the limit":                 {in: "{\"a\":1234}\r\n{\"a\":12345}\n{}", max: 10, want: []got{{Line: 1, Data: `{"a":1234}`}, {Line: 2, Long: true}, {Line: 3, Data: "{}"}}},
		"a document over the limit":                {in: "{\"a\":\n123,\n{\"b\":2}\n{}", max: 10, want: []got{{Line: 1, Long: true}, {Line: 2, Data: "123,"}, {Line: 3, Data: `{"b":2}`}, {Line: 4, Data: "{}"}}},
		"a cut-off line before one of the limit":   {in: "{\"a\":\n{\"a\":1234}\n{}", max: 10, want: []got{{Line: 1, Long: true}, {Line: 2, Data: `{"a":1234}`}, {Line: 3, Data: "{}"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, in := range map[string]io.Reader{
				"at once":      strings.NewReader(c.in),
				"byte by byte": iotest.OneByteReader(strings.NewReader(c.in)),
				"with its end": iotest.DataErrReader(strings.NewReader(c.in)),
			} {
				r := intake.NewReader(in, intake.Options{MaxRecord: c.max})
				if diff := cmp.Diff(c.want, readAll(t, r)); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", how, diff)
				}
				if err := r.Err(); err != nil {
					t.Errorf("%s: %v", how, err)
				}
			}
		})
	}
}

func TestRecordsLargerThanTheBuffer(t *testing.T) {
	t.Parallel()
	big := `{"a":"` + strings.Repeat("x", 300<<10) + `"}`
	spread := "{\"a\":\n\"" + strings.Repeat("y", 300<<10) + "\"}"
	r := intake.NewReader(strings.NewReader(big+"\n"+spread+"\n{}"), intake.Options{MaxRecord: 400 << 10})
	want := []got{{Line: 1, Data: big}, {Line: 2, Data: spread}, {Line: 4, Data: "{}"}}
	if diff := cmp.Diff(want, readAll(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestALineOfAPipeIsHandedOutWhenItIsThere(t *testing.T) {
	t.Parallel()
	in, out := io.Pipe()
	r := intake.NewReader(in, intake.Options{})
	wrote := make(chan error, 1)
	for _, line := range []string{"{\"a\":1}\n", "{\"b\":\"x\n", "{\"c\":\n1}\n"} {
		go func() { _, err := io.WriteString(out, line); wrote <- err }()
		item, ok := r.Next() // would wait for ever if it wanted more
		if want := strings.TrimSpace(line); !ok || string(item.Data) != want {
			t.Errorf("got %q, want %q", item.Data, want)
		}
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
	}
	out.Close()
	if item, ok := r.Next(); ok {
		t.Errorf("one more: %q", item.Data)
	}
}

func TestAnErrorOfReadingIsToldAndTheBrokenLineIsNot(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	r := intake.NewReader(io.MultiReader(strings.NewReader("{}\n{\"a\":1}"), iotest.ErrReader(broken)), intake.Options{})
	if diff := cmp.Diff([]got{{Line: 1, Data: "{}"}}, readAll(t, r)); diff != "" {
		t.Error(diff)
	}
	if err := r.Err(); !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v", err, broken)
	}
}

// idle returns neither bytes nor an error.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestAReaderThatReturnsNothingEndsTheReading(t *testing.T) {
	t.Parallel()
	r := intake.NewReader(idle{}, intake.Options{})
	if _, ok := r.Next(); ok || !errors.Is(r.Err(), io.ErrNoProgress) {
		t.Errorf("ok = %v, error = %v; want false, %v", ok, r.Err(), io.ErrNoProgress)
	}
}
