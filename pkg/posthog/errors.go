package posthog

import "errors"

// ErrEgressRefused is the guard's refusal of an address. What wraps it names
// the address and the flag that would allow it.
var ErrEgressRefused = errors.New("egress refused")

var (
	errShape      = errors.New("the SDK's request has an unknown shape")
	errNotOurs    = errors.New("the SDK made a request outside of a send")
	errBodyTooBig = errors.New("the answer's body is too long")
)
