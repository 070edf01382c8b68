package posthog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// dialer opens every connection of a Sender: past the guard, straight or
// through the operator's proxy.
type dialer struct {
	guard    *guard
	resolver *net.Resolver
	proxy    *proxy // nil: none
}

// https and http are the DialContext of the two schemes.
func (d *dialer) https(ctx context.Context, network, address string) (net.Conn, error) {
	if d.proxy != nil {
		return d.viaProxy(ctx, address, true)
	}
	return d.direct(ctx, network, address, true)
}

func (d *dialer) http(ctx context.Context, network, address string) (net.Conn, error) {
	if d.proxy != nil {
		return d.viaProxy(ctx, address, false)
	}
	return d.direct(ctx, network, address, false)
}

// direct dials each address that the name has until one answers; Control sees
// every one of them.
func (d *dialer) direct(ctx context.Context, network, address string, secure bool) (net.Conn, error) {
	dial := net.Dialer{Timeout: dialTimeout, Resolver: d.resolver, Control: d.guard.controlHTTP}
	if secure {
		dial.Control = d.guard.controlHTTPS
	}
	return dial.DialContext(ctx, network, address)
}

// viaProxy asks the proxy for an address that we have resolved and judged, so
// that what it dials is what the guard saw. The operator's own networks are
// reached straight.
func (d *dialer) viaProxy(ctx context.Context, address string, secure bool) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	if err := checkHost(host); err != nil {
		return nil, err
	}
	ip, err := netip.ParseAddr(host)
	if err == nil {
		return d.anyOf(ctx, []netip.Addr{ip}, port, secure)
	}
	if d.proxy.resolves {
		return d.byName(ctx, host, port, secure)
	}
	ips, err := d.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	return d.anyOf(ctx, ips, port, secure)
}

func (d *dialer) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return d.resolver.LookupNetIP(ctx, "ip", host) // a nil Resolver is the default one
}

// anyOf connects to the first of the addresses that is admitted and answers.
func (d *dialer) anyOf(ctx context.Context, ips []netip.Addr, port string, secure bool) (net.Conn, error) {
	var first error
	for _, ip := range ips {
		conn, err := d.one(ctx, ip, port, secure)
		if err == nil {
			return conn, nil
		}
		// A refusal is told only where there was nothing better to try.
		if first == nil || errors.Is(first, ErrEgressRefused) && !errors.Is(err, ErrEgressRefused) {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if first == nil {
		return nil, errors.New("the name has no address")
	}
	return nil, first
}

func (d *dialer) one(ctx context.Context, ip netip.Addr, port string, secure bool) (net.Conn, error) {
	judge := d.guard.checkHTTP
	if secure {
		judge = d.guard.checkHTTPS
	}
	if err := judge(plain(ip)); err != nil {
		return nil, err
	}
	address := net.JoinHostPort(ip.Unmap().String(), port)
	if d.guard.allowed(plain(ip)) {
		return d.direct(ctx, "tcp", address, secure)
	}
	return d.proxy.connect(ctx, address)
}

// byName leaves the look-up, and with it the guard's work, to the proxy: see
// Config.EgressProxyResolves.
func (d *dialer) byName(ctx context.Context, host, port string, secure bool) (net.Conn, error) {
	switch {
	case !secure:
		return nil, fmt.Errorf("%w: plain http through a proxy that resolves names: nobody can tell where it goes; use https", ErrEgressRefused)
	case isLocalName(host):
		return nil, fmt.Errorf("%w: %.100q is a name of the proxy's own machine or network", ErrEgressRefused, host)
	}
	return d.proxy.connect(ctx, net.JoinHostPort(host, port))
}
