package sandbox

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"
)

// tlsHandshake is the first byte of a TLS connection.
const tlsHandshake = 0x16

// Proxy is an HTTP proxy on loopback behind which lies an internet of
// sandboxes: whatever a CONNECT asks for, the host that the client then names
// (in TLS, or in its Host header) chooses who answers. So the clouds of
// PostHog's regions can be stood in for under their own names, by https.
//
// Proxy.Start starts three goroutines, and net/http one for each connection;
// Proxy.Close ends them all.
type Proxy struct {
	hosts  map[string]http.Handler
	issuer *issuer
	log    *zap.Logger

	mu      sync.Mutex
	asked   []string
	closed  bool
	opening map[net.Conn]bool // tunnels that nothing has come through yet
	front   net.Listener
	servers []*http.Server
	tunnels [2]*tunnels // plain, TLS
	done    sync.WaitGroup
}

// NewProxy makes a proxy that isn't listening yet. Hosts are names in lower
// case, without ports, and who answers for them; "" answers for all others.
func NewProxy(hosts map[string]http.Handler, log *zap.Logger) (*Proxy, error) {
	issuer, err := newIssuer()
	if err != nil {
		return nil, fmt.Errorf("making the proxy's authority: %w", err)
	}
	if log == nil {
		log = zap.NewNop()
	}
	return &Proxy{hosts: hosts, issuer: issuer, log: log, opening: map[net.Conn]bool{}}, nil
}

// Start listens on addr ("" is a free port of 127.0.0.1) and serves until
// Close.
func (p *Proxy) Start(addr string) error {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	front, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("starting the proxy: %w", err)
	}
	p.front = front
	p.tunnels = [2]*tunnels{newTunnels(front.Addr()), newTunnels(front.Addr())}
	errorLog := zap.NewStdLog(p.log)
	back := func() *http.Server {
		return &http.Server{Handler: http.HandlerFunc(p.answer), ReadHeaderTimeout: readHeaderTimeout, ErrorLog: errorLog}
	}
	door, plain, secure := back(), back(), back()
	door.Handler = http.HandlerFunc(p.tunnel)
	secure.TLSConfig = &tls.Config{GetCertificate: p.issuer.certificate, MinVersion: tls.VersionTLS12}
	p.servers = []*http.Server{door, plain, secure}
	p.done.Go(func() { _ = door.Serve(front) })
	p.done.Go(func() { _ = plain.Serve(p.tunnels[0]) })
	p.done.Go(func() { _ = secure.ServeTLS(p.tunnels[1], "", "") })
	return nil
}

// URL is the proxy's own, `http://host:port`.
func (p *Proxy) URL() string { return "http://" + p.front.Addr().String() }

// CA is the certificate, as PEM, that a client has to trust.
func (p *Proxy) CA() string { return p.issuer.pem }

// Asked lists what was asked for by CONNECT, `host:port`, in order.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// Close ends every tunnel and waits for the proxy's own goroutines.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	for conn := range p.opening {
		_ = conn.Close()
	}
	p.mu.Unlock()
	var errs []error
	for _, s := range p.servers {
		errs = append(errs, s.Close())
	}
	p.done.Wait()
	return errors.Join(errs...)
}

// tunnel answers a CONNECT and leads the connection to the server behind.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy takes CONNECT alone", http.StatusMethodNotAllowed)
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, r.Host)
	p.mu.Unlock()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "no tunnel", http.StatusInternalServerError)
		return
	}
	through := &tunnelConn{Conn: conn, from: buffered.Reader, target: r.Host}
	if !p.open(through) {
		_ = conn.Close()
		return
	}
	defer p.done.Done()
	p.lead(through)
}

// lead tells TLS from plain HTTP by the first byte.
func (p *Proxy) lead(c *tunnelConn) {
	defer p.opened(c)
	if _, err := c.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		_ = c.Close()
		return
	}
	first, err := c.from.Peek(1)
	if err != nil {
		_ = c.Close()
		return
	}
	to := p.tunnels[0]
	if first[0] == tlsHandshake {
		to = p.tunnels[1]
	}
	to.give(c)
}

// open announces a tunnel, until p.done is told; false once the proxy is closed.
func (p *Proxy) open(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.opening[c] = true
		p.done.Add(1)
	}
	return !p.closed
}

func (p *Proxy) opened(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.opening, c)
}

// answer serves what came through a tunnel.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	handler := p.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]
	if handler == nil {
		handler = p.hosts[""]
	}
	if handler == nil {
		http.Error(w, "no such host behind this proxy", http.StatusBadGateway)
		return
	}
	handler.ServeHTTP(w, r)
}

// tunnelConn is a connection whose first bytes may have been read already.
type tunnelConn struct {
	net.Conn
	from   *bufio.Reader
	target string // host:port, as it was asked for
}

func (c *tunnelConn) Read(b []byte) (int, error) { return c.from.Read(b) }

// tunnels is a net.Listener of connections that are given to it.
type tunnels struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newTunnels(addr net.Addr) *tunnels {
	return &tunnels{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (t *tunnels) give(c net.Conn) {
	select {
	case t.conns <- c:
	case <-t.done:
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case <-t.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (t *tunnels) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}

// Addr implements net.Listener.
func (t *tunnels) Addr() net.Addr { return t.addr }
