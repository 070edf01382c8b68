package posthog

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/outcome"
)

const (
	maxResultsBody = 1 << 20  // v1's results: 100 events of about 100 B are usual
	maxOtherBody   = 64 << 10 // one word, or an error page
	maxRetryAfter  = time.Hour
)

// answer is what became of one HTTP request.
type answer struct {
	verdict  outcome.Verdict // of the request as a whole
	status   int             // 0: there was no answer
	perEvent bool            // a v1 answer: each event has a verdict of its own
	body     []byte          // of a 2xx, for the SDK to read
}

// notServed reports that the path is not there.
func (a answer) notServed() bool { return a.verdict.Action == outcome.NextPath }

// forSDK makes the response that the SDK sees: whole and in memory, without the
// headers by which it would follow a redirect.
func (a answer) forSDK(req *http.Request) (*http.Response, error) {
	if a.status == 0 {
		return nil, errors.New("no answer")
	}
	return &http.Response{
		Status:        strconv.Itoa(a.status),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{},
		Body:          io.NopCloser(bytes.NewReader(a.body)),
		ContentLength: int64(len(a.body)),
		Request:       req,
	}, nil
}

// read reads a response to its end, where that is near, so that its connection
// can be used again, and judges it.
func (x *exchange) read(res *http.Response) answer {
	action, cause := outcome.ForStatus(res.StatusCode)
	v := outcome.Verdict{Action: action, Cause: cause, Status: res.StatusCode}
	err := x.readBody(res, action == outcome.Accept)
	wait := retryAfter(res.Header.Get("Retry-After"), x.s.cfg.Now())
	if action != outcome.Accept {
		v.Detail = x.errorDetail(res, x.body.Bytes())
		v.RetryAfter = wait
		return answer{verdict: v, status: res.StatusCode}
	}
	a := answer{verdict: v, status: res.StatusCode, body: x.body.Bytes()}
	if err == nil {
		a.perEvent, err = x.parse(a.status, wait)
	}
	if err != nil {
		a.verdict = x.unreadable(err)
		a.verdict.Status, a.verdict.RetryAfter = a.status, wait
	}
	return a
}

// readBody fills x.body, up to a limit.
func (x *exchange) readBody(res *http.Response, accepted bool) error {
	if accepted && x.path == pathV1 {
		return x.readInto(res, maxResultsBody)
	}
	return x.readInto(res, maxOtherBody)
}

// readInto fills x.body with at most limit bytes, inflated.
func (x *exchange) readInto(res *http.Response, limit int64) error {
	x.body.Reset()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil // its body is the connection
	}
	var from io.Reader = res.Body
	if strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip") {
		// We ask for no encoding; some proxies compress all the same.
		unzip, err := gzip.NewReader(res.Body)
		if err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		from = unzip
	}
	n, err := x.body.ReadFrom(io.LimitReader(from, limit+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading the answer: %w", err)
	case n > limit:
		return errBodyTooBig
	}
	return nil
}

// parse judges the events by the body of a 2xx.
func (x *exchange) parse(status int, wait time.Duration) (perEvent bool, err error) {
	if x.path == pathBatch {
		return false, parseBatch(x.body.Bytes())
	}
	missing := outcome.Verdict{
		Action: outcome.Retry, Cause: outcome.NoVerdict, Status: status,
		Detail: "the answer leaves it out", RetryAfter: wait,
	}
	x.verdicts = x.verdicts[:0]
	for range x.events {
		x.verdicts = append(x.verdicts, missing)
	}
	err = x.parseResults(func(i int, result, details string) {
		v := outcome.Verdict{Status: status, Detail: x.word(details)}
		v.Action, v.Cause = outcome.ForResult(result, details)
		if v.Action == outcome.Retry || v.Action == outcome.Hold {
			v.RetryAfter = wait
		}
		x.verdicts[i] = v
	})
	return err == nil, err
}

// unreadable judges a 2xx whose body was not read or is not PostHog's.
func (x *exchange) unreadable(err error) outcome.Verdict {
	if errors.Is(err, errForeign) || errors.Is(err, errBodyTooBig) || errors.Is(err, gzip.ErrHeader) {
		return retry(outcome.UnexpectedBody, x.bodyDetail(err))
	}
	return x.failure(err)
}

// retryAfter reads the header's seconds or date, within 0 and maxRetryAfter.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0
	}
	if isDigits(header) {
		seconds, err := strconv.ParseInt(header, 10, 32)
		if err != nil {
			return maxRetryAfter // more digits than a number has
		}
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

func isDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
