package sandbox

import (
	"maps"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	typeJSON = "application/json"
	typeText = "text/plain; charset=utf-8"
)

// answer is what the client gets.
type answer struct {
	status int
	header http.Header // beside Content-Type; may be nil
	typ    string
	body   []byte
}

func (a *answer) send(w http.ResponseWriter) {
	a.head(w)
	_, _ = w.Write(a.body) // a client that left is no matter of ours
}

func (a *answer) head(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	if a.typ != "" {
		w.Header().Set("Content-Type", a.typ)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
}

// refusal is an answer to a request as a whole. The tag is v1's `error`.
type refusal struct {
	status int
	tag    string
	text   string
}

// render writes a refusal as the route's protocol has it.
func (r *refusal) render(rt *route) answer {
	if rt == nil || !rt.v1 {
		return answer{status: r.status, typ: typeText, body: []byte(r.text)}
	}
	body := append([]byte(nil), `{"error":`...)
	body = appendString(body, r.tag)
	body = append(body, `,"error_description":`...)
	body = appendString(body, r.text)
	body = append(body, `,"error_uri":"https://posthog.com/docs/api"}`...)
	return answer{status: r.status, typ: typeJSON, body: body}
}

func appendString(dst []byte, s string) []byte {
	dst, err := jsontext.AppendQuote(dst, s)
	_ = err // only says that invalid UTF-8 was replaced
	return dst
}

// judgement is what PostHog would make of a request.
type judgement struct {
	refused *refusal // then there are no events
	key     string   // the project's key, where it could be read
	version string   // of /flags: the query's v
	count   int      // events in the batch, as far as it could be read
	events  []judged
}

// judged is one event and its verdict.
type judged struct {
	event   Taken
	sound   bool   // PostHog would keep it
	result  string // ok, warning, drop, retry, or whatever a fault says
	details string
	silent  bool // a fault leaves its verdict out
}

// kept tells whether the event is kept by its verdict.
func (j *judged) kept() bool {
	return j.sound && !j.silent && (j.result == resultOK || j.result == resultWarning)
}

// Results of v1.
const (
	resultOK      = "ok"
	resultWarning = "warning"
	resultDrop    = "drop"
	resultRetry   = "retry"
)
