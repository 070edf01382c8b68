package posthog

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// Config is what a Sender needs to know. The zero value is ready to use: it
// reaches public addresses by https alone.
type Config struct {
	// RequestTimeout bounds one Send, with all its requests; default 10 s.
	RequestTimeout time.Duration
	// IdleAfter is how long an SDK client lives without a Send; default 2 min,
	// at least 1 s.
	IdleAfter time.Duration
	// MaxClients bounds the idle SDK clients that are kept; default 256, of
	// about 14 KB each.
	MaxClients int
	// EgressAllow lists networks that may be dialled though they are not
	// public, and that may be spoken to in plain http.
	EgressAllow []netip.Prefix
	// EgressProxy, if set, is the HTTP proxy (http or https, with credentials
	// where it wants them) through which all is reached that is not of
	// EgressAllow. We resolve and judge, and ask it for the address. The
	// environment's proxies are never used.
	EgressProxy *url.URL
	// EgressProxyResolves has the proxy look names up: where there is no
	// outside DNS, or where it admits by name. Then what a name points to is
	// the proxy's to judge.
	EgressProxyResolves bool
	// Resolver looks names up; default net.DefaultResolver.
	Resolver *net.Resolver
	// RootCAs are the certificate authorities to trust; nil: the system's.
	RootCAs *x509.CertPool
	// Now is the clock of what is remembered (idleness, findings) and of
	// Retry-After dates; default time.Now.
	Now func() time.Time
	// OnAttempt, if set, is told of each HTTP request once it is over, before
	// Send returns, with Send's context. It must not block, and is called from
	// many goroutines.
	OnAttempt func(context.Context, Attempt)
	// UserAgent names us to PostHog as name/version, which on v1 also becomes
	// the events' $lib and $lib_version; default hogcast/dev.
	UserAgent string
}

// Attempt tells of one HTTP request. It holds no secret and no content.
type Attempt struct {
	Destination destination.ID
	Path        string // "/i/v1/analytics/events" or "/batch/"
	Encoding    string // zstd, gzip or none
	Events      int
	RawBytes    int // of the body before compression
	WireBytes   int // of the body as sent
	Status      int // 0: no answer
	// Cause is of the request as a whole; on v1 an OK leaves single events
	// that were dropped or are to be sent again.
	Cause outcome.Cause
	// Error is why there was no answer, in Go's words; "" where there was one,
	// since a stranger's words may quote the request.
	Error    string
	Duration time.Duration
}

func (c Config) withDefaults() Config {
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 10 * time.Second
	}
	if c.IdleAfter == 0 {
		c.IdleAfter = 2 * time.Minute
	}
	if c.MaxClients == 0 {
		c.MaxClients = 256
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.UserAgent == "" {
		c.UserAgent = "hogcast/dev"
	}
	return c
}

// Validate reports everything that is wrong with the configuration, joined,
// each error naming its field. Zero values stand for defaults and are right.
func (c Config) Validate() error {
	var errs []error
	if c.RequestTimeout < 0 {
		errs = append(errs, fmt.Errorf("request timeout: %s is negative", c.RequestTimeout))
	}
	if c.IdleAfter != 0 && c.IdleAfter < time.Second {
		errs = append(errs, fmt.Errorf("idle after: %s is less than 1s", c.IdleAfter))
	}
	if c.MaxClients < 0 {
		errs = append(errs, fmt.Errorf("max clients: %d is negative", c.MaxClients))
	}
	for _, p := range c.EgressAllow {
		if !p.IsValid() {
			errs = append(errs, errors.New("egress allow: holds a prefix that is none"))
		}
	}
	if c.EgressProxy != nil {
		if err := validProxy(c.EgressProxy); err != nil {
			errs = append(errs, err)
		}
	} else if c.EgressProxyResolves {
		errs = append(errs, errors.New("egress proxy resolves: there is no egress proxy"))
	}
	if !validUserAgent(c.UserAgent) {
		errs = append(errs, fmt.Errorf("user agent: %q is not name/version in visible ASCII", c.UserAgent))
	}
	return errors.Join(errs...)
}

// validUserAgent judges as v1 does, which refuses a request without a name and
// a version in PostHog-Sdk-Info.
func validUserAgent(s string) bool {
	if s == "" {
		return true
	}
	name, version, found := strings.Cut(s, "/")
	unfit := func(r rune) bool { return r <= ' ' || r > '~' }
	return found && name != "" && version != "" && !strings.ContainsFunc(s, unfit)
}
