package posthog

import (
	"crypto/tls"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	idleConnTimeout  = 90 * time.Second
	maxHeaderBytes   = 64 << 10
	// Most tenants share one host: keep as many connections to it as there may
	// be requests in flight (HTTP/2 needs one). Over all hosts the bound is of
	// file descriptors.
	maxIdlePerHost = 64
	maxIdleConns   = 1024
	// A peer that vanished without a word would swallow every request of its
	// host until TCP gives up, a quarter of an hour later.
	pingAfter   = 15 * time.Second
	pingTimeout = 5 * time.Second
)

// transport is the pair of http.Transports that all destinations share: which
// addresses may be dialled depends on the scheme.
type transport struct {
	https, http *http.Transport
}

func newTransport(cfg Config) *transport {
	g := newGuard(cfg.EgressAllow)
	secure := newHTTPTransport(g.controlHTTPS)
	secure.TLSClientConfig = &tls.Config{
		RootCAs:            cfg.RootCAs,
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(maxIdleConns),
	}
	secure.ForceAttemptHTTP2 = true // a dialer of one's own turns it off
	secure.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	return &transport{https: secure, http: newHTTPTransport(g.controlHTTP)}
}

// newHTTPTransport makes a transport without proxies (the environment's would
// dial for us, past the guard) and without a response timeout: the context of
// each request bounds it.
func newHTTPTransport(control func(string, string, syscall.RawConn) error) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: control}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
	}
}

// RoundTrip implements http.RoundTripper. It follows no redirects.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" {
		return t.http.RoundTrip(req)
	}
	return t.https.RoundTrip(req)
}

func (t *transport) close() {
	t.https.CloseIdleConnections()
	t.http.CloseIdleConnections()
}
