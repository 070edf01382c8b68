package posthog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"

	"github.com/hogcast/hogcast/pkg/outcome"
)

func retry(c outcome.Cause, detail string) outcome.Verdict {
	return outcome.Verdict{Action: outcome.Retry, Cause: c, Detail: detail}
}

func hold(c outcome.Cause, detail string) outcome.Verdict {
	return outcome.Verdict{Action: outcome.Hold, Cause: c, Detail: detail}
}

func bury(c outcome.Cause, detail string) outcome.Verdict {
	return outcome.Verdict{Action: outcome.Bury, Cause: c, Detail: detail}
}

func interrupted(detail string) outcome.Verdict { return retry(outcome.Interrupted, detail) }

func fill(verdicts []outcome.Verdict, v outcome.Verdict) []outcome.Verdict {
	for i := range verdicts {
		verdicts[i] = v
	}
	return verdicts
}

// failure judges a request that brought no whole answer.
func (x *exchange) failure(err error) outcome.Verdict {
	detail := x.scrub(err.Error())
	var netErr net.Error
	var dnsErr *net.DNSError
	switch {
	case errors.Is(err, ErrEgressRefused):
		return hold(outcome.EgressRefused, detail)
	case errors.Is(x.ctx.Err(), context.Canceled):
		return interrupted("")
	case x.ctx.Err() != nil:
		return retry(outcome.Timeout, "no answer in time")
	case isTLS(err):
		return hold(outcome.TLS, detail)
	case errors.As(err, &dnsErr):
		return retry(outcome.Connection, detail)
	case errors.As(err, &netErr) && netErr.Timeout():
		return retry(outcome.Timeout, detail)
	}
	return retry(outcome.Connection, x.brokenDetail(err, detail))
}

// brokenDetail keeps what a peer wrote in the place of HTTP, which net/http
// quotes, from a private destination's details.
func (x *exchange) brokenDetail(err error, detail string) string {
	var op *net.OpError
	if x.dest.PrivacyMode && !errors.As(err, &op) {
		return "the connection broke, or what came over it is not HTTP"
	}
	return detail
}

// isTLS reports a fault of name, trust or protocol: not a connection that
// broke during the handshake, which is worth another try.
func isTLS(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		record       tls.RecordHeaderError
		unknown      x509.UnknownAuthorityError
		invalid      x509.CertificateInvalidError
		hostname     x509.HostnameError
		op           *net.OpError
	)
	switch {
	case errors.As(err, &verification), errors.As(err, &record), errors.As(err, &unknown),
		errors.As(err, &invalid), errors.As(err, &hostname), errors.Is(err, http.ErrSchemeMismatch),
		errors.Is(err, errNoCA):
		return true
	case errors.As(err, &op):
		// crypto/tls's own: an alert that came, or one that was sent.
		return op.Op == "remote error" || op.Op == "local error"
	}
	return false
}
