package posthog

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestTheDetailIsPostHogsWordScrubbed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ body, want, private string }{
		"v1's error":               {`{"error":"invalid_batch","error_description":"empty batch","error_uri":"x"}`, "invalid_batch: empty batch", "invalid_batch"},
		"an error alone":           {`{"error":"invalid_batch"}`, "invalid_batch", "invalid_batch"},
		"an error in words":        {`{"error":"could not read: my prompt"}`, "could not read: my prompt", ""},
		"the older API's":          {`{"type":"validation_error","code":"invalid_api_key","detail":"no such key"}`, "invalid_api_key: no such key", "invalid_api_key"},
		"JSON without an error":    {`{"a":1}`, `{"a":1}`, ""},
		"an error that is no word": {`{"error":{"a":1}}`, `{"error":{"a":1}}`, ""},
		"text":                     {"  payload\r\n\ttoo \x00 large\u2028now ", "payload too large now", ""},
		"nothing":                  {"", "", ""},
		"our key":                  {`key ` + testKey + ` is unknown`, "key [redacted] is unknown", ""},
		"our key in an error":      {`{"error":"x","error_description":"` + testKey + `"}`, "x: [redacted]", "x"},
		"other keys":               {"phx_abc-DEF_1 phs_x phc_ ok", "[redacted] [redacted] [redacted] ok", ""},
		"a bearer token":           {`Authorization: Bearer abc.def; BEARER  xyz`, "Authorization: [redacted]; [redacted]", ""},
		"invalid UTF-8":            {"a\xffb", "a\uFFFDb", ""},
		"a long text":              {strings.Repeat("é", 400), strings.Repeat("é", 150), ""},
		"a key where it is cut":    {strings.Repeat("x", 298) + testKey, strings.Repeat("x", 298) + "[r", ""},
		"a long error":             {`{"error":"` + strings.Repeat("é", 3000) + `"}`, strings.Repeat("é", 512), ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, status(400, c.body))
			s := newSender(t)
			d := destinationAt(srv.URL, destination.V1)
			want := outcome.Verdict{Action: outcome.Split, Cause: outcome.BadRequest, Status: 400, Detail: c.want}
			if got := s.Send(t.Context(), d, eventsOf(1))[0]; got != want {
				t.Errorf("got %+v,\nwant %+v", got, want)
			}
			d.PrivacyMode = true
			want.Detail = c.private
			if got := s.Send(t.Context(), d, eventsOf(1))[0]; got != want {
				t.Errorf("private: got %+v,\nwant %+v", got, want)
			}
		})
	}
}

// Old deployments have keys without a prefix to know them by.
func TestAKeyWithoutPrefixIsRedactedToo(t *testing.T) {
	t.Parallel()
	srv := newServer(t, status(401, "no project for sTFPsFhdP1Ssg0123456789"))
	d := destinationAt(srv.URL, destination.V1)
	d.APIKey = destination.NewSecret("sTFPsFhdP1Ssg0123456789")
	if got, want := newSender(t).Send(t.Context(), d, eventsOf(1))[0].Detail, "no project for [redacted]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A stranger's answer can quote what was sent, in every place it has.
func TestAPrivateDestinationKeepsNoText(t *testing.T) {
	t.Parallel()
	const canary = "canary of a prompt"
	answers := map[string]func(http.ResponseWriter, request){
		"a result's details": func(w http.ResponseWriter, r request) {
			_, _ = io.WriteString(w, results(r, func(int) string { return `{"result":"drop","details":"` + canary + `"}` }))
		},
		"a strange 2xx": status(200, canary),
		"an error page": status(500, canary),
		"an error":      status(400, `{"error":"`+canary+`","error_description":"`+canary+`"}`),
	}
	for name, answer := range answers {
		srv := newServer(t, answer)
		s := newSender(t)
		d := destinationAt(srv.URL, destination.V1)
		if got := s.Send(t.Context(), d, eventsOf(1))[0]; !strings.Contains(got.Detail, canary) {
			t.Errorf("%s: public: the test proves nothing, got %+v", name, got)
		}
		d.PrivacyMode = true
		if got := s.Send(t.Context(), d, eventsOf(1))[0]; strings.Contains(got.Detail, "canary") {
			t.Errorf("%s: private: got %+v", name, got)
		}
	}
}

func FuzzScrub(f *testing.F) {
	for _, s := range []string{"", "a\nb", testKey, "Bearer " + testKey, strings.Repeat("é\x00", 3000), "phc_\xff"} {
		f.Add(s)
	}
	x := &exchange{dest: destinationAt("", destination.V1)}
	f.Fuzz(func(t *testing.T, s string) {
		got := x.scrub(s)
		if len(got) > maxDetail || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00") || strings.Contains(got, testKey) {
			t.Errorf("%q became %q", s, got)
		}
	})
}
