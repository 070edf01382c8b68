package sandbox_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

func TestFaultsAreReadAndWritten(t *testing.T) {
	t.Parallel()
	tests := map[string]sandbox.Fault{
		"ok":                                   sandbox.OK(),
		"latency=200ms":                        sandbox.Latency(200 * time.Millisecond),
		"latency=1s take":                      sandbox.Latency(time.Second).Take(),
		"503":                                  sandbox.Status(503),
		"429 retry-after=2":                    sandbox.Status(429).RetryAfter(2 * time.Second),
		"503 latency=1s take":                  sandbox.Status(503).After(time.Second).Take(),
		"hang":                                 sandbox.Hang(),
		"hang=5s":                              sandbox.HangFor(5 * time.Second),
		"hang take":                            sandbox.Hang().Take(),
		"reset":                                sandbox.Reset(),
		"reset take":                           sandbox.Reset().Take(),
		"reset-body":                           sandbox.ResetBody(),
		"verdict=drop details=x":               sandbox.Drop("x"),
		"verdict=new every=3":                  sandbox.Verdict("new", "").Every(3),
		"no-verdict first=2":                   sandbox.NoVerdict().First(2),
		"no-verdict uuid=a+b":                  sandbox.NoVerdict("a", "b"),
		"ok retry-after=3":                     sandbox.OK().RetryAfter(3 * time.Second),
		"302 location=http://h:1/x":            sandbox.Redirect(302, "http://h:1/x"),
		"200 type=text/html body=<p>: hi, you": sandbox.Body(200, "text/html", "<p>: hi, you"),
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := sandbox.ParseFault(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
				t.Error("fault (-want +got):", diff)
			}
			if got.String() != text {
				t.Errorf("written as %q, want %q", got, text)
			}
		})
	}
}

func TestScriptsAreRead(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"503x3,hang=5s,ok,429:retry-after=2s":     "503|503|503|hang=5s|ok|429 retry-after=2",
		" resetx2 , verdict=retry:every=3 ":       "reset|reset|verdict=retry every=3",
		"429:retry-after=1500ms:take":             "429 retry-after=2 take",
		"hangx2=1s,okx1":                          "hang=1s|hang=1s|ok",
		"307:location=http://h:80/a:b,reset-body": "307 location=http://h:80/a:b|reset-body",
		"200:latency=1s:body=a text of several":   "200 latency=1s type=text/plain; charset=utf-8 body=a text of several",
	}
	for text, want := range tests {
		script, err := sandbox.ParseScript(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		words := make([]string, len(script))
		for i, f := range script {
			words[i] = f.String()
		}
		if got := strings.Join(words, "|"); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestBadFaultsAreNamed(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                         `fault "": "" is neither a status nor one of ok, latency, hang, reset, reset-body, verdict, no-verdict`,
		"503,,ok":                  `fault "": "" is neither a status nor one of ok, latency, hang, reset, reset-body, verdict, no-verdict`,
		"503,nonsense":             `fault "nonsense": "nonsense" is neither a status nor one of ok, latency, hang, reset, reset-body, verdict, no-verdict`,
		"600":                      `fault "600": status 600 is not within 200 to 599`,
		"101":                      `fault "101": status 101 is not within 200 to 599`,
		"503x0":                    `fault "503x0": "0" is no count`,
		"503xy":                    `fault "503xy": "y" is no count`,
		"503x60000,503x60000":      `fault "503x60000": a script has at most 100000 faults`,
		"503=1":                    `fault "503=1": 503 takes no argument`,
		"latency":                  `fault "latency": "" is no duration, such as 200ms or 5s`,
		"latency=-1s":              `fault "latency=-1s": "-1s" is no duration, such as 200ms or 5s`,
		"hang=x":                   `fault "hang=x": "x" is no duration, such as 200ms or 5s`,
		"verdict":                  `fault "verdict": verdict needs a result, such as verdict=drop`,
		"429:retry=2":              `fault "429:retry=2": option "retry=2": no such option; there are take, latency, retry-after, details, every, first, uuid, type, body, location`,
		"429:retry-after=soon":     `fault "429:retry-after=soon": option "retry-after=soon": "soon" is no duration, such as 200ms or 5s`,
		"verdict=retry:every=none": `fault "verdict=retry:every=none": option "every=none": "none" is no count`,
		"503:every=2":              `fault "503:every=2": every, first and uuid go with verdict and no-verdict only`,
		"no-verdict:details=x":     `fault "no-verdict:details=x": details goes with verdict only`,
		"hang:body=x":              `fault "hang:body=x": type and body go with a status only`,
	}
	for text, want := range tests {
		_, err := sandbox.ParseScript(text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got error %v, want %s", text, err, want)
		}
	}
	if _, err := sandbox.ParseFault("503x2"); err == nil {
		t.Error("ParseFault took a count")
	}
}

func FuzzParseScript(f *testing.F) {
	for _, text := range []string{"503x3,hang=5s,ok,429:retry-after=2s", "verdict=drop:details=x:uuid=a+b", "302:location=http://x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		script, err := sandbox.ParseScript(text)
		if err == nil && len(script) == 0 {
			t.Errorf("%q: got an empty script", text)
		}
	})
}
