// Package embedded runs a nats-server within the process, with JetStream on
// file storage: for development mode and for tests. Beside the layers; it
// imports nothing of ours. The server's goroutines end with Stop.
package embedded

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
)

// MaxPayload is the default limit of a message, in bytes; NATS's own is 1 MiB,
// and it warns above 8.
const MaxPayload = 8 << 20

// Config of a server. The zero value but StoreDir is ready to use.
type Config struct {
	StoreDir   string // required; kept by the caller
	Host       string // default 127.0.0.1
	Port       int    // default: any free one
	MaxPayload int    // default MaxPayload
	MaxStore   int64  // bytes on disk; default: what the server finds free
	// SyncAlways syncs each write to disk: nothing acknowledged is lost even
	// when the machine loses power, at the price of a sync per publish.
	SyncAlways bool
	Logger     *zap.Logger // warnings and errors of the server; default none
}

// startTimeout bounds the recovery of what the store holds.
const (
	startTimeout = 60 * time.Second
	pollInterval = 100 * time.Millisecond
)

// Server is a running nats-server.
type Server struct{ server *server.Server }

// Start starts a server and waits until it takes connections.
func Start(c Config) (*Server, error) {
	if c.StoreDir == "" {
		return nil, errors.New("embedded nats: no folder to store in")
	}
	s, err := server.NewServer(c.options())
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	log := c.Logger
	if log == nil {
		log = zap.NewNop()
	}
	// The server tells a failed start to its log alone.
	fatal := make(chan string, 1)
	s.SetLoggerV2(logger{log.Named("nats").Sugar(), fatal}, false, false, false)
	running := &Server{s}
	s.Start()
	if err := running.await(fatal); err != nil {
		running.Stop()
		return nil, fmt.Errorf("embedded nats: storing in %s: %w", c.StoreDir, err)
	}
	return running, nil
}

// await waits until the server takes connections, or says that it never will.
func (s *Server) await(fatal <-chan string) error {
	for deadline := time.Now().Add(startTimeout); ; {
		select {
		case why := <-fatal:
			return errors.New(why)
		default:
		}
		if s.server.ReadyForConnections(pollInterval) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s", startTimeout)
		}
	}
}

func (c Config) options() *server.Options {
	o := &server.Options{
		ServerName: "hogcast-embedded",
		Host:       c.Host, Port: c.Port,
		JetStream: true, StoreDir: c.StoreDir, JetStreamMaxStore: c.MaxStore,
		MaxPayload: int32(min(c.MaxPayload, 64<<20)), //nolint:gosec // bounded on this line
		SyncAlways: c.SyncAlways,
		NoSigs:     true, NoLog: c.Logger == nil,
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	if o.MaxPayload == 0 {
		o.MaxPayload = MaxPayload
	}
	return o
}

// ClientURL is where clients connect.
func (s *Server) ClientURL() string { return s.server.ClientURL() }

// Stop ends the server and waits for it. What it stored stays.
func (s *Server) Stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// logger passes the server's warnings and errors on; the rest says nothing to
// somebody who runs hogcast.
type logger struct {
	log   *zap.SugaredLogger
	fatal chan<- string // the first reason why the server can't go on
}

func (logger) Noticef(string, ...any)           {}
func (l logger) Warnf(format string, v ...any)  { l.log.Warnf(format, v...) }
func (l logger) Errorf(format string, v ...any) { l.log.Errorf(format, v...) }
func (logger) Debugf(string, ...any)            {}
func (logger) Tracef(string, ...any)            {}

// Fatalf never ends the process: that is for main alone.
func (l logger) Fatalf(format string, v ...any) {
	l.log.Errorf(format, v...)
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}
