package posthog

import (
	"net/http"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxDetail   = 1 << 10 // bytes
	maxBodyText = 300     // bytes of a body that is only text
	// readForDetail is what is looked at, so that a secret cut in half is
	// found before the cut.
	readForDetail = 4 << 10
	redacted      = "[redacted]"
)

var (
	secretPattern = regexp.MustCompile(`ph[cxs]_[A-Za-z0-9_-]*|(?i:bearer)[ +:=]+[^\s"',;]+`)
	codePattern   = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
)

// errorDetail is PostHog's own word for a refusal.
func (x *exchange) errorDetail(res *http.Response, body []byte) string {
	if res.StatusCode/100 == 3 {
		return x.scrub(redirectDetail(res))
	}
	if code, description := errorWords(body); code != "" || description != "" {
		if x.dest.Private() {
			return x.word(code)
		}
		return x.scrub(joinWords(code, description))
	}
	return x.bodyText(body)
}

func redirectDetail(res *http.Response) string {
	to, err := res.Location()
	if err != nil {
		return "a redirect without a readable Location"
	}
	return "a redirect to " + to.Scheme + "://" + to.Host
}

// bodyDetail says what is wrong with a 2xx, and how it begins.
func (x *exchange) bodyDetail(err error) string {
	if begin := x.bodyText(x.body.Bytes()); begin != "" {
		return cut(x.scrub(err.Error())+": "+begin, maxDetail)
	}
	return x.scrub(err.Error())
}

// bodyText is the beginning of a body. Text of a stranger may quote the
// request, so a private destination keeps none.
func (x *exchange) bodyText(body []byte) string {
	if x.dest.Private() {
		return ""
	}
	return cut(x.scrub(string(body[:min(len(body), readForDetail)])), maxBodyText)
}

// word scrubs a detail that ought to be a code; of a private destination it is
// kept only if it is one.
func (x *exchange) word(s string) string {
	if s == "" || x.dest.Private() && !codePattern.MatchString(s) {
		return ""
	}
	return x.scrub(s)
}

// errorWords finds the error in a JSON body: v1's members, or those of
// PostHog's older API.
func errorWords(body []byte) (code, description string) {
	var got struct {
		Error            jsontext.Value `json:"error"`
		ErrorDescription jsontext.Value `json:"error_description"`
		Code             jsontext.Value `json:"code"`
		Detail           jsontext.Value `json:"detail"`
	}
	if json.Unmarshal(body, &got) != nil {
		return "", ""
	}
	code, description = wordOf(got.Error), wordOf(got.ErrorDescription)
	if code == "" && description == "" {
		return wordOf(got.Code), wordOf(got.Detail)
	}
	return code, description
}

func wordOf(v jsontext.Value) string {
	s, err := text(v)
	if err != nil {
		return ""
	}
	return s
}

func joinWords(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}

// scrub makes a stranger's text fit for headers and logs: one line of at most
// maxDetail bytes of valid UTF-8, without our key or anything like one.
func (x *exchange) scrub(s string) string {
	if len(s) > readForDetail {
		s = s[:readForDetail]
	}
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	s = strings.ReplaceAll(s, x.dest.APIKey.Reveal(), redacted)
	return cut(secretPattern.ReplaceAllString(s, redacted), maxDetail)
}

// cut shortens s to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
