package posthog

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// proxy is the operator's HTTP proxy, asked by CONNECT. It is the operator's
// own, so the guard does not judge its address.
type proxy struct {
	address  string
	tls      *tls.Config // nil: spoken to in the clear
	auth     string      // Proxy-Authorization, or ""
	resolves bool
	resolver *net.Resolver
}

// newProxy makes a proxy of a URL that validProxy has passed; nil of nil.
func newProxy(u *url.URL, resolves bool, resolver *net.Resolver, roots *x509.CertPool) *proxy {
	if u == nil {
		return nil
	}
	p := &proxy{address: u.Host, resolves: resolves, resolver: resolver}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
		p.tls = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	}
	if u.Port() == "" {
		p.address = net.JoinHostPort(u.Hostname(), port)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		p.auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return p
}

// validProxy reports what is wrong with a proxy's URL. It never repeats it: it
// may hold a password.
func validProxy(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("egress proxy: not http://HOST:PORT or https://HOST:PORT; other kinds of proxies are not spoken to")
	case u.Hostname() == "":
		return errors.New("egress proxy: no host")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("egress proxy: holds more than scheme, credentials, host and port")
	}
	return nil
}

// connect asks the proxy for a connection to address.
func (p *proxy) connect(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("dialling the egress proxy: %w", hideTLS(err))
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = p.ask(conn, address)
	if !stop() && err == nil {
		err = context.Cause(ctx) // its deadline is set, or about to be
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("asking the egress proxy for %s: %w", address, err)
	}
	return conn, nil
}

func (p *proxy) dial(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{Resolver: p.resolver}
	if p.tls == nil {
		return dialer.DialContext(ctx, "tcp", p.address)
	}
	return (&tls.Dialer{NetDialer: &dialer, Config: p.tls}).DialContext(ctx, "tcp", p.address)
}

// ask sends the CONNECT and reads the answer's header, of at most
// maxHeaderBytes.
func (p *proxy) ask(conn net.Conn, address string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if p.auth != "" {
		req.Header.Set("Proxy-Authorization", p.auth)
	}
	if err := req.Write(conn); err != nil {
		return hideTLS(err)
	}
	from := bufio.NewReader(io.LimitReader(conn, maxHeaderBytes))
	res, err := http.ReadResponse(from, req) //nolint:bodyclose // its body is the connection, which the caller closes
	switch {
	case err != nil:
		return hideTLS(err)
	case res.StatusCode == http.StatusProxyAuthRequired:
		return errors.New("it wants other credentials (407)")
	case res.StatusCode/100 != 2:
		return fmt.Errorf("it answers %d", res.StatusCode)
	case from.Buffered() > 0:
		return errors.New("it says more than its answer")
	}
	return nil
}

// hideTLS keeps a fault of the proxy's own TLS from looking like one of the
// destination, which would be held for it.
func hideTLS(err error) error {
	if isTLS(err) {
		return errors.New("tls: " + err.Error())
	}
	return err
}

// isLocalName knows names that mean the machine, or the network, of whoever
// looks them up.
func isLocalName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.Contains(host, ".") {
		return true
	}
	for _, suffix := range []string{".localhost", ".local", ".localdomain", ".internal", ".home.arpa"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}
