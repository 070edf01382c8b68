package config

import (
	"net/netip"
	"net/url"
)

// Egress says where destinations may be. Embed it with its prefix:
//
//	Egress config.Egress `embed:"" prefix:"egress-" group:"Where it may connect:"`
type Egress struct {
	Allow         []string `name:"allow" placeholder:"CIDR" help:"Networks of destinations that are not public, comma separated; plain http is allowed to these alone."`
	Proxy         Secret   `name:"proxy" placeholder:"URL" help:"HTTP proxy, http or https, to all destinations that are not in --egress-allow. HTTP_PROXY and the like are never used."`
	ProxyResolves bool     `name:"proxy-resolves" help:"Let the proxy look names up, where there is no outside DNS or where it admits by name. What a name points to is then the proxy's to judge."`
}

// Networks reads Allow; an address stands for itself. The error is a
// UsageError.
func (e Egress) Networks() ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(e.Allow))
	for _, text := range e.Allow {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, Usagef("--egress-allow: %q is not a network such as 10.20.0.0/16", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// ProxyURL reads Proxy; nil where there is none. The error is a UsageError and
// never repeats the URL, which may hold a password.
func (e Egress) ProxyURL() (*url.URL, error) {
	if e.Proxy.Empty() {
		if e.ProxyResolves {
			return nil, Usagef("--egress-proxy-resolves: there is no --egress-proxy")
		}
		return nil, nil //nolint:nilnil // no proxy is no fault
	}
	u, err := url.Parse(e.Proxy.Reveal())
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, Usagef("--egress-proxy: not a URL such as http://proxy.example.com:3128")
	}
	return u, nil
}
