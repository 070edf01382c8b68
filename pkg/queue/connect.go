package queue

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// ConnectConfig says how to reach NATS.
type ConnectConfig struct {
	URLs     []string // default nats://127.0.0.1:4222
	Name     string   // shown by the server; default hogcast
	Creds    string   // file
	NKey     string   // file with the seed
	User     string
	Password string
	Token    string
	TLSCA    string // file
	TLSCert  string // file, with TLSKey for mTLS
	TLSKey   string // file
	Domain   string // JetStream domain
	Inbox    string // inbox prefix, where permissions ask for one
	// Wait: a NATS that can't be reached yet is waited for until the context
	// ends, rather than an error.
	Wait   bool
	Logger *zap.Logger
}

// Conn is a connection with its JetStream context.
type Conn struct {
	NATS *nats.Conn
	JS   jetstream.JetStream
	log  *zap.Logger
	down atomic.Bool

	refusals refusals
	refused  atomic.Pointer[string] // the subject that was last
	causes   causes
	room     publishRoom
}

const (
	apiTimeout    = 5 * time.Second
	reconnectWait = 500 * time.Millisecond
	// pendingBuffer is what is kept of publishes while NATS is away, in bytes.
	// None: what is not sent must fail, so that it is asked again.
	pendingBuffer = -1
)

// Connect connects, and stays connected for ever: when NATS goes it reconnects
// by itself, saying so once.
func Connect(ctx context.Context, c ConnectConfig) (*Conn, error) {
	conn := &Conn{log: c.Logger, room: newPublishRoom()}
	if conn.log == nil {
		conn.log = zap.NewNop()
	}
	options, err := c.options(conn)
	if err != nil {
		return nil, err
	}
	urls, err := serverURLs(c.URLs)
	if err != nil {
		return nil, err
	}
	conn.NATS, err = nats.Connect(strings.Join(urls, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to nats at %s: %w", RedactURLs(urls), err)
	}
	if err := conn.await(ctx, urls); err != nil {
		conn.NATS.Close()
		return nil, err
	}
	if err := conn.checkInbox(ctx); err != nil {
		conn.NATS.Close()
		return nil, fmt.Errorf("connecting to nats at %s: %w", RedactURLs(urls), err)
	}
	conn.JS, err = newJetStream(conn.NATS, c.Domain)
	if err != nil {
		conn.NATS.Close()
		return nil, fmt.Errorf("connecting to nats: %w", err)
	}
	return conn, nil
}

func newJetStream(nc *nats.Conn, domain string) (jetstream.JetStream, error) {
	if domain != "" {
		return jetstream.NewWithDomain(nc, domain, jetstream.WithDefaultTimeout(apiTimeout))
	}
	return jetstream.New(nc, jetstream.WithDefaultTimeout(apiTimeout))
}

// await waits for the first connection; it is there already unless Wait is on.
func (c *Conn) await(ctx context.Context, urls []string) error {
	if c.NATS.IsConnected() {
		return nil
	}
	c.log.Warn("nats can't be reached; waiting for it", zap.String("nats", RedactURLs(urls)))
	connected := c.NATS.StatusChanged(nats.CONNECTED)
	defer c.NATS.RemoveStatusListener(connected)
	for !c.NATS.IsConnected() {
		select {
		case <-connected:
		case <-ctx.Done():
			return fmt.Errorf("connecting to nats at %s: %w", RedactURLs(urls), context.Cause(ctx))
		}
	}
	return nil
}

func (c ConnectConfig) options(conn *Conn) ([]nats.Option, error) {
	name := c.Name
	if name == "" {
		name = "hogcast"
	}
	o := []nats.Option{
		nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, time.Second), nats.ReconnectBufSize(pendingBuffer),
		nats.RetryOnFailedConnect(c.Wait), nats.Timeout(apiTimeout),
		nats.PingInterval(20 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(conn.onError), nats.DisconnectErrHandler(conn.onDisconnect), nats.ReconnectHandler(conn.onReconnect),
	}
	if c.Creds != "" {
		o = append(o, nats.UserCredentials(c.Creds))
	}
	if c.NKey != "" {
		nkey, err := nats.NkeyOptionFromSeed(c.NKey)
		if err != nil {
			return nil, fmt.Errorf("nats nkey %s: %w", c.NKey, err)
		}
		o = append(o, nkey)
	}
	if c.User != "" {
		o = append(o, nats.UserInfo(c.User, c.Password))
	}
	if c.Token != "" {
		o = append(o, nats.Token(c.Token))
	}
	if c.TLSCA != "" {
		o = append(o, nats.RootCAs(c.TLSCA))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return nil, errors.New("nats tls: certificate and key go together")
	}
	if c.TLSCert != "" {
		o = append(o, nats.ClientCert(c.TLSCert, c.TLSKey))
	}
	if c.Inbox != "" {
		o = append(o, nats.CustomInboxPrefix(c.Inbox))
	}
	return o, nil
}

// onError hears what has no caller: above all a refused publish, which gets no
// reply. Each cause is told once.
func (c *Conn) onError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if subject := refusedPublish(err); subject != "" {
		c.refusals.fail(subject, err)
		c.refused.Store(&subject)
	}
	if !c.causes.first(err.Error()) {
		return
	}
	fields := []zap.Field{zap.Error(err)}
	if sub != nil {
		fields = append(fields, zap.String("subject", sub.Subject))
	}
	c.log.Error("nats", fields...)
}

// AsyncErrors counts the connection's errors that had no caller.
func (c *Conn) AsyncErrors() int64 { return c.causes.total.Load() }

// onDisconnect may run before Connect has returned: it looks at nc alone.
func (c *Conn) onDisconnect(nc *nats.Conn, err error) {
	if !nc.IsClosed() && !c.down.Swap(true) {
		c.log.Warn("nats lost; reconnecting", zap.Error(err))
	}
}

func (c *Conn) onReconnect(nc *nats.Conn) {
	if c.down.Swap(false) {
		c.log.Info("nats is back", zap.String("server", nc.ConnectedServerName()))
	}
}

// Connected reports whether NATS can be talked to now.
func (c *Conn) Connected() bool { return c.NATS.IsConnected() }

// Close sends what is buffered and closes the connection.
func (c *Conn) Close() {
	if c.NATS.IsConnected() {
		// Acks that were handed to the connection must leave it.
		if err := c.NATS.FlushTimeout(2 * time.Second); err != nil {
			c.log.Warn("nats: closing with acks unsent; their records will come again", zap.Error(err))
		}
	}
	c.NATS.Close()
}

// serverURLs splits and checks the addresses before nats.go sees them, whose
// errors would quote them, passwords included.
func serverURLs(list []string) ([]string, error) {
	var urls []string
	for _, s := range splitURLs(list) {
		u, err := url.Parse(withScheme(s))
		if err != nil || u.Host == "" {
			return nil, errors.New("nats url: not a URL, such as nats://host:4222")
		}
		urls = append(urls, s)
	}
	if len(urls) == 0 {
		urls = []string{nats.DefaultURL}
	}
	return urls, nil
}

func splitURLs(list []string) []string {
	var urls []string
	for s := range strings.SplitSeq(strings.Join(list, ","), ",") {
		if s = strings.TrimSpace(s); s != "" {
			urls = append(urls, s)
		}
	}
	return urls
}

func withScheme(s string) string {
	if strings.Contains(s, "://") {
		return s
	}
	return "nats://" + s
}

// RedactURLs joins URLs for people, without the users, passwords and tokens in
// them.
func RedactURLs(list []string) string {
	shown := splitURLs(list)
	for i, s := range shown {
		u, err := url.Parse(withScheme(s))
		switch {
		case err != nil:
			shown[i] = "(not a URL)"
		case u.User != nil:
			u.User = url.User("redacted")
			shown[i] = u.String()
		}
	}
	return strings.Join(shown, ",")
}
