package posthog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	idleConnTimeout  = 90 * time.Second
	// maxHeaderBytes bounds an answer's header, all 1xx before it included.
	maxHeaderBytes = 64 << 10
	// Most tenants share one host: keep as many connections to it as there may
	// be requests in flight (HTTP/2 needs one). Over all hosts the bound is of
	// file descriptors.
	maxIdlePerHost = 320
	maxIdleConns   = 1024
	// A peer that vanished without a word would swallow every request of its
	// host until TCP gives up, a quarter of an hour later.
	pingAfter   = 15 * time.Second
	pingTimeout = 5 * time.Second
	// A small request leaves in one write: most are of a few events, some 4 KB.
	writeBuffer = 8 << 10
)

// transport is the one way to the network: the http.Transports that all
// destinations share, one a scheme, because which addresses may be dialled
// depends on it; and one for each private CA.
type transport struct {
	dialer      *dialer
	https, http *http.Transport
	authorities *authorities
}

func newTransport(cfg Config) *transport {
	t := &transport{dialer: &dialer{
		guard:    newGuard(cfg.EgressAllow),
		resolver: cfg.Resolver,
		proxy:    newProxy(cfg.EgressProxy, cfg.EgressProxyResolves, cfg.Resolver, cfg.RootCAs),
	}}
	t.https = t.secure(cfg.RootCAs, maxIdleConns)
	t.http = newHTTPTransport(t.dialer.http)
	t.authorities = &authorities{
		base: cfg.RootCAs, transport: t.secure, idleAfter: cfg.IdleAfter, now: cfg.Now,
		inUse: make(map[[32]byte]*authority),
	}
	return t
}

// secure makes a transport for https that trusts roots, nil: the system's.
func (t *transport) secure(roots *x509.CertPool, sessions int) *http.Transport {
	made := newHTTPTransport(t.dialer.https)
	made.TLSClientConfig = &tls.Config{
		RootCAs:            roots,
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
	}
	made.ForceAttemptHTTP2 = true // a dialer of one's own turns it off
	made.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	return made
}

// newHTTPTransport makes a transport without the environment's proxies (they
// would dial for us, past the guard) and without a response timeout: the
// context of each request bounds it.
func newHTTPTransport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dial,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		WriteBufferSize:        writeBuffer,
		DisableCompression:     true,
	}
}

// roundTrip makes one request for a destination, where it may go at all. It
// follows no redirects, and closes the request's body in any case.
func (t *transport) roundTrip(dest *destination.Destination, req *http.Request) (*http.Response, error) {
	by, err := t.choose(dest, req)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	return by.RoundTrip(req)
}

func (t *transport) choose(dest *destination.Destination, req *http.Request) (*http.Transport, error) {
	if err := reach(dest, req.URL); err != nil {
		return nil, err
	}
	switch {
	case req.URL.Scheme == "http":
		return t.http, nil
	case dest.CA == "":
		return t.https, nil
	}
	return t.authorities.of(dest.CA)
}

// sweep closes what private CAs have left idle.
func (t *transport) sweep() { t.authorities.sweep() }

func (t *transport) close() {
	t.https.CloseIdleConnections()
	t.http.CloseIdleConnections()
	t.authorities.close()
}
