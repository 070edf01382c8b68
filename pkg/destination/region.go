package destination

import (
	"net/url"
	"strings"
)

// RegionOf tells which of PostHog's clouds an endpoint belongs to; "" for a
// self-hosted one, which belongs to none.
func RegionOf(endpoint string) Region {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	switch host := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."); host {
	case "us.i.posthog.com", "us.posthog.com", "app.posthog.com", "app.i.posthog.com",
		"us-assets.i.posthog.com", "i.posthog.com", "posthog.com":
		return RegionUS
	case "eu.i.posthog.com", "eu.posthog.com", "eu-assets.i.posthog.com":
		return RegionEU
	}
	return ""
}

// Other is the region that a key may belong to where this one does not know it.
func (r Region) Other() Region {
	if r == RegionEU {
		return RegionUS
	}
	return RegionEU
}

// Endpoint is the region's own endpoint.
func (r Region) Endpoint() string {
	if r == RegionEU {
		return EndpointEU
	}
	return EndpointUS
}
