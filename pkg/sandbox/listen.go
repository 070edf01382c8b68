package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"go.uber.org/zap"
)

// ErrClosed is what a closed server answers.
var ErrClosed = errors.New("sandbox is closed")

// Start listens on addr ("" is a free port of 127.0.0.1) and serves until
// Close. It returns when the port is open.
func (s *Server) Start(addr string) error {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return fmt.Errorf("starting sandbox: %w", ErrClosed)
	case s.listener != nil:
		return errors.New("starting sandbox: already started")
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("starting sandbox: %w", err)
	}
	s.listener = listener
	s.served = make(chan struct{})
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		ErrorLog:          zap.NewStdLog(s.log),
	}
	go s.accept(s.http, listener, s.served)
	return nil
}

func (s *Server) accept(srv *http.Server, listener net.Listener, served chan<- struct{}) {
	defer close(served)
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("sandbox stopped serving", zap.Error(err))
	}
}

// URL is the endpoint, `http://host:port` without a slash at its end; empty
// before Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Close ends hanging requests, closes every connection and waits for the
// server's own goroutines. What was taken can still be asked for. As a handler
// in somebody else's server it only ends what hangs. Closing twice is fine.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	srv, served := s.http, s.served
	s.mu.Unlock()
	if srv == nil {
		return nil
	}
	err := srv.Close()
	<-served
	s.inflight.Wait()
	if err != nil {
		return fmt.Errorf("closing sandbox: %w", err)
	}
	return nil
}

// enter counts a request in, unless the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.inflight.Add(1)
	return true
}
