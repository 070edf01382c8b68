package app

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"

	"go.uber.org/zap"
)

// profiles serves Go's profiles on the admin port, where one is asked for.
func (w *worker) profiles() error {
	if w.config.AdminListen == "" {
		return nil
	}
	addr, err := w.serve("profiles", w.config.AdminListen, profileHandler())
	if err != nil {
		return err
	}
	w.log.Warn("profiles are served; a heap profile can hold records", zap.String("address", addr))
	if w.config.AdminListening != nil {
		w.config.AdminListening(addr)
	}
	return nil
}

// profileHandler has a mux of its own, as has the port of the metrics: what
// the package registers with http.DefaultServeMux is served nowhere. cmdline is
// left out, since a command line can hold a password.
func profileHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // the named ones too
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// checkAdmin refuses an admin port that other machines reach, unless that is
// said: profiles hold what the memory holds.
func (c WorkerConfig) checkAdmin() error {
	if c.AdminListen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.AdminListen)
	switch {
	case err != nil:
		return fmt.Errorf("admin-listen: %q is not an address such as 127.0.0.1:6060", c.AdminListen)
	case c.AdminListen == c.Listen:
		return errors.New("admin-listen: the same address as listen; profiles go on a port of their own")
	case !c.AdminAllowRemote && !isLoopback(host):
		return fmt.Errorf("admin-listen: %s can be reached from other machines, and profiles can hold prompts; "+
			"use 127.0.0.1 with `kubectl port-forward` or `ssh -L`, or say --admin-allow-remote", c.AdminListen)
	}
	return nil
}

// isLoopback reports whether only this machine reaches a host. A name other
// than localhost may resolve to anything.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
