package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// host is one address of the sink, which can be down as a whole.
type host struct {
	sink   *sink
	addr   string
	answer atomic.Pointer[answer] // of all its tenants; nil: as each is answered
	server *http.Server           // nil while connections are refused
	done   chan struct{}
}

// listen opens a host at a port of its own; close it.
func (s *sink) listen(ip string) (*host, error) {
	h := &host{sink: s, addr: net.JoinHostPort(ip, "0")}
	if err := h.open(); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *host) url() string { return "http://" + h.addr }

// open takes connections, at the address that it once had.
func (h *host) open() error {
	listener, err := net.Listen("tcp", h.addr)
	if err != nil {
		return fmt.Errorf("opening a host of the sink: %w", err)
	}
	h.addr = listener.Addr().String()
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.sink.handle(w, r, h.answer.Load())
		}),
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	h.server, h.done = server, make(chan struct{})
	go func() {
		defer close(h.done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // a listener of our own on the loopback device
		}
	}()
	return nil
}

// close resets what is connected and refuses connections from now on.
func (h *host) close() {
	if h.server == nil {
		return
	}
	_ = h.server.Close()
	<-h.done
	h.server = nil
}

// Ways for a host to be down.
const (
	downRefuse = "refuse"
	down503    = "503"
	downHang   = "hang"
)

// down takes the host down for everybody.
func (h *host) down(how string) {
	switch how {
	case downRefuse:
		h.close()
	case down503:
		h.answer.Store(&answer{status: http.StatusServiceUnavailable})
	case downHang:
		h.answer.Store(&answer{after: time.Hour, status: http.StatusServiceUnavailable})
	}
}

// up brings it back.
func (h *host) up() error {
	h.answer.Store(nil)
	if h.server != nil {
		return nil
	}
	return h.open()
}
