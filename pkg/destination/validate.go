package destination

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Endpoints of PostHog's own clouds, by their short forms.
const (
	EndpointUS = "https://us.i.posthog.com"
	EndpointEU = "https://eu.i.posthog.com"
)

// Limits of a destination's settings.
const (
	MinSamplingRate = 0.0001
	MaxKeyBytes     = 64 // PostHog's edge refuses longer tokens
	MaxKeyFilterIDs = 10_000
	MinHoldMax      = time.Minute
	MaxCABytes      = 64 << 10
)

// ParseEndpoint turns `us`, `eu`, the empty string (us) or a URL into
// scheme://host[:port]. PostHog's paths are appended by the sender, so a path,
// query, fragment or user info is refused rather than guessed about.
func ParseEndpoint(s string) (string, error) {
	switch s {
	case "", "us":
		return EndpointUS, nil
	case "eu":
		return EndpointEU, nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		// url.Parse quotes its input, which may hold a password.
		return "", errors.New("endpoint: not a URL; write us, eu or https://posthog.example.com")
	case !strings.Contains(s, "://"):
		return "", errors.New("endpoint: no scheme; write us, eu or https://posthog.example.com")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("endpoint: scheme %q is not https (or http, where --egress-allow permits it)", u.Scheme)
	case u.User != nil:
		return "", errors.New("endpoint: holds user info; PostHog is told who you are by api_key alone")
	case u.Hostname() == "":
		return "", errors.New("endpoint: no host")
	case u.Path != "" && u.Path != "/":
		return "", errors.New("endpoint: holds a path; give scheme and host alone, hogcast appends PostHog's paths")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery || strings.Contains(s, "#"):
		return "", errors.New("endpoint: holds a query or fragment; give scheme and host alone")
	}
	if err := checkHost(u); err != nil {
		return "", err
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

func checkHost(u *url.URL) error {
	host := u.Hostname()
	if port := u.Port(); port == "" && strings.HasSuffix(u.Host, ":") {
		return errors.New("endpoint: empty port")
	} else if port != "" {
		if _, err := netip.ParseAddrPort("127.0.0.1:" + port); err != nil || port == "0" {
			return errors.New("endpoint: port is not 1–65535")
		}
	}
	if strings.HasPrefix(u.Host, "[") {
		// A zone means something on this machine alone, and breaks the URL.
		if addr, err := netip.ParseAddr(host); err != nil || addr.Zone() != "" {
			return errors.New("endpoint: not an IPv6 address, without a zone, between the brackets")
		}
		return nil
	}
	if len(host) > 253 {
		return errors.New("endpoint: host is longer than 253 bytes")
	}
	for _, c := range host {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '.' && c != '_' {
			return fmt.Errorf("endpoint: host holds %q; write internationalised names in punycode", c)
		}
	}
	return nil
}

// CheckAPIKey judges the form of a project API key as PostHog's edge does:
// 1–64 visible ASCII characters; personal (phx_) and secret (phs_) keys are
// the wrong kind. The error never holds the key.
func CheckAPIKey(key string) error {
	switch {
	case key == "":
		return errors.New("api_key: empty; it is the project API key, phc_…, of PostHog's project settings")
	case strings.HasPrefix(key, "phx_"):
		return errors.New("api_key: a personal API key (phx_…); the project API key, phc_…, is wanted")
	case strings.HasPrefix(key, "phs_"):
		return errors.New("api_key: a secret API key (phs_…); the project API key, phc_…, is wanted")
	case len(key) > MaxKeyBytes:
		return fmt.Errorf("api_key: %d characters; PostHog takes at most %d", len(key), MaxKeyBytes)
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return errors.New("api_key: holds a space, control or non-ASCII character")
		}
	}
	return nil
}

// Validate reports everything that is wrong with the destination, one error
// a key, joined. It does not judge the API key's presence: see CheckAPIKey.
func (d *Destination) Validate() error {
	var errs []error
	if !ValidName(d.Tenant) && d.Tenant != AnyTenant {
		errs = append(errs, fmt.Errorf("tenant: %s", nameRule(d.Tenant)))
	}
	if !ValidName(d.Name) {
		errs = append(errs, fmt.Errorf("name: %s", nameRule(d.Name)))
	}
	switch d.Protocol {
	case Auto, V1, Batch:
	default:
		errs = append(errs, fmt.Errorf("protocol: %q is not auto, v1 or batch", d.Protocol))
	}
	if !(d.SamplingRate >= MinSamplingRate && d.SamplingRate <= 1) {
		errs = append(errs, fmt.Errorf("sampling_rate: %g is not between %g and 1", d.SamplingRate, MinSamplingRate))
	}
	if n := len(d.APIKeys.Include) + len(d.APIKeys.Exclude); n > MaxKeyFilterIDs {
		errs = append(errs, fmt.Errorf("api_keys: %d ids; at most %d", n, MaxKeyFilterIDs))
	}
	errs = append(errs, d.checkReach()...)
	errs = append(errs, d.Privacy.validate()...)
	return errors.Join(append(errs, d.checkLimits()...)...)
}

// checkReach judges where the destination may be: its region and whom it trusts.
func (d *Destination) checkReach() (errs []error) {
	switch {
	case d.Region != "" && d.Region != RegionUS && d.Region != RegionEU:
		errs = append(errs, fmt.Errorf("region: %q is not us or eu", d.Region))
	case d.Region != "" && RegionOf(d.Endpoint) == "":
		errs = append(errs, errors.New("region: only PostHog's own clouds have one; leave it out for a self-hosted endpoint"))
	case d.Region != "" && RegionOf(d.Endpoint) != d.Region:
		errs = append(errs, fmt.Errorf("region: pinned to %s, but the endpoint is in PostHog's %s cloud", d.Region, RegionOf(d.Endpoint)))
	}
	if len(d.CA) > MaxCABytes {
		errs = append(errs, fmt.Errorf("ca: %d bytes; at most %d", len(d.CA), MaxCABytes))
	} else if d.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(d.CA)) {
		errs = append(errs, errors.New("ca: no PEM certificate in it"))
	}
	return errs
}

func (d *Destination) checkLimits() (errs []error) {
	if !(d.MaxRate >= 0) || math.IsInf(d.MaxRate, 0) {
		errs = append(errs, fmt.Errorf("max_rate: %g is no number of events per second; 0 is no limit", d.MaxRate))
	}
	if d.MaxConcurrency < 0 {
		errs = append(errs, fmt.Errorf("max_concurrency: %d is no number of requests; 0 is no limit", d.MaxConcurrency))
	}
	if d.HoldMax != 0 && d.HoldMax < MinHoldMax {
		errs = append(errs, fmt.Errorf("hold_max: %s is less than %s", d.HoldMax, MinHoldMax))
	}
	return errs
}
