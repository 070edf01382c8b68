package posthog

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/hogcast/hogcast/pkg/destination"
)

// reach judges where a request goes before anything is looked up or dialled:
// the region's pin, and hosts that are not what they seem.
func reach(dest *destination.Destination, to *url.URL) error {
	host := to.Hostname()
	if to.Scheme != "https" && to.Scheme != "http" {
		return fmt.Errorf("%w: scheme %.20q", ErrEgressRefused, to.Scheme)
	}
	if err := checkHost(host); err != nil {
		return err
	}
	return checkRegion(dest.Region, to)
}

// checkRegion admits the pinned region's own hosts and nothing else: a name
// that is not known to be of the region might be of the other.
func checkRegion(pin destination.Region, to *url.URL) error {
	if pin == "" || destination.RegionOf(to.Scheme+"://"+to.Host) == pin {
		return nil
	}
	return fmt.Errorf("%w: the destination is pinned to region %s, and %.100q is not a host of it",
		ErrEgressRefused, pin, to.Hostname())
}

// checkHost refuses numbers that some resolvers take for addresses (0x7f.1,
// 2130706433, 0177.0.0.1) and letters that are turned into others on the way.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	for i := range len(host) {
		if host[i] <= ' ' || host[i] > '~' || host[i] == '%' {
			return fmt.Errorf("%w: the host holds a character that no name has; write internationalised names in punycode", ErrEgressRefused)
		}
	}
	if host == "" || endsInNumber(host) {
		return fmt.Errorf("%w: host %.100q is neither a name nor an address; write an IPv4 address as four decimal numbers", ErrEgressRefused, host)
	}
	return nil
}

// endsInNumber: no top-level domain is a number, so such a host is meant to be
// an address.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && isDigits(last)
}
