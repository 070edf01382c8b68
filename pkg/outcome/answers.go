package outcome

// Cause is why an attempt came out as it did.
type Cause string

// The causes, a closed list.
const (
	OK      Cause = "ok"
	Warning Cause = "warning" // v1: accepted, with a remark

	// Worth another try soon.
	Connection       Cause = "connection"        // refused, reset, no route, DNS
	Timeout          Cause = "timeout"           // ambiguous: it may have been taken
	RequestTimeout   Cause = "request_timeout"   // 408
	RateLimited      Cause = "rate_limited"      // 429
	ServerError      Cause = "server_error"      // 5xx but 501
	RetryAsked       Cause = "retry_asked"       // v1 `retry`
	NoVerdict        Cause = "no_verdict"        // the answer leaves this event out
	UnexpectedBody   Cause = "unexpected_body"   // a 2xx that is not PostHog's
	UnexpectedResult Cause = "unexpected_result" // v1: a word that is not on the list

	// The destination's owner has to act; until then its events are held.
	Unauthorized     Cause = "unauthorized"      // 401
	PaymentRequired  Cause = "payment_required"  // 402
	Forbidden        Cause = "forbidden"         // 403
	NotServed        Cause = "not_served"        // 404, 405 on every path
	Gone             Cause = "gone"              // 410
	Redirected       Cause = "redirected"        // 3xx
	NotImplemented   Cause = "not_implemented"   // 501
	EncodingRefused  Cause = "encoding_refused"  // 415 for every encoding
	OverQuota        Cause = "over_quota"        // v1 drop: billing or LLM quota
	TLS              Cause = "tls"               // name or trust
	EgressRefused    Cause = "egress_refused"    // our guard: a private address
	UnexpectedStatus Cause = "unexpected_status" // any other

	// This batch, or this event, is at fault.
	BadRequest      Cause = "bad_request"       // 400
	PayloadTooLarge Cause = "payload_too_large" // 413
	DroppedByServer Cause = "dropped_by_server" // v1 `drop`
	EventTooLarge   Cause = "event_too_large"   // over MaxBytes or the SDK's cap, never sent
	Unencodable     Cause = "unencodable"       // the SDK could not encode it

	// Ours.
	Interrupted Cause = "interrupted" // shutting down, or no time left; spends no attempt
	Crowded     Cause = "crowded"     // no room in its lane while others waited
)

// Causes lists every Cause.
func Causes() []Cause {
	return []Cause{
		OK, Warning,
		Connection, Timeout, RequestTimeout, RateLimited, ServerError, RetryAsked, NoVerdict,
		UnexpectedBody, UnexpectedResult,
		Unauthorized, PaymentRequired, Forbidden, NotServed, Gone, Redirected, NotImplemented,
		EncodingRefused, OverQuota, TLS, EgressRefused, UnexpectedStatus,
		BadRequest, PayloadTooLarge, DroppedByServer, EventTooLarge, Unencodable,
		Interrupted, Crowded,
	}
}

// ForStatus judges a whole answer by its status, 100–599. A 2xx only says that
// the body has to be read: Accept here is not delivery.
func ForStatus(status int) (Action, Cause) {
	switch status {
	case 400:
		return Split, BadRequest
	case 401:
		return Hold, Unauthorized
	case 402:
		return Hold, PaymentRequired
	case 403:
		return Hold, Forbidden
	case 404, 405:
		return NextPath, NotServed
	case 408:
		return Retry, RequestTimeout
	case 410:
		return Hold, Gone
	case 413:
		return Split, PayloadTooLarge
	case 415:
		return NextEncoding, EncodingRefused
	case 429:
		return Retry, RateLimited
	case 501:
		return Hold, NotImplemented
	}
	switch status / 100 {
	case 2:
		return Accept, OK
	case 3:
		return Hold, Redirected
	case 5:
		return Retry, ServerError
	}
	return Hold, UnexpectedStatus
}

// ForResult judges one event by its result in a v1 answer. A word that is not
// PostHog's is no verdict, and so no delivery.
func ForResult(result, details string) (Action, Cause) {
	switch result {
	case "ok":
		return Accept, OK
	case "warning":
		return Accept, Warning
	case "retry":
		return Retry, RetryAsked
	case "drop":
		switch details {
		case "billing_limit_exceeded", "llm_events_over_quota":
			return Hold, OverQuota
		}
		return Bury, DroppedByServer
	}
	return Retry, UnexpectedResult
}

// DeadReasonFor is the reason of the dead letter of an event that was buried,
// or that a split has found to be the bad one, for a cause.
func DeadReasonFor(c Cause) DeadReason {
	switch c {
	case PayloadTooLarge, EventTooLarge:
		return TooLarge
	}
	return Dropped
}
