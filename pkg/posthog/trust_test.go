package posthog

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

func pemOf(srv *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
}

// secureServer is one whose certificate nobody trusts.
func secureServer(t *testing.T) *server {
	t.Helper()
	srv := unstarted(t, allOK)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	return srv
}

func TestAPrivateCAIsTrustedForItsDestinationAlone(t *testing.T) {
	t.Parallel()
	srv := secureServer(t)
	s := newSender(t)
	with, without, wrong := destinationAt(srv.URL, destination.V1), destinationAt(srv.URL, destination.V1), destinationAt(srv.URL, destination.V1)
	with.CA, with.Name = pemOf(srv.Server), "with"
	other, err := sandbox.NewProxy(nil, nil) // for its authority
	if err != nil {
		t.Fatal(err)
	}
	wrong.CA, wrong.Name = other.CA(), "wrong"
	for round := range 3 { // connections of one are nothing to another
		if got := s.Send(t.Context(), with, eventsOf(1))[0]; got.Action != outcome.Accept {
			t.Errorf("round %d, with its CA: got %+v", round, got)
		}
		for _, d := range []*destination.Destination{without, wrong} {
			got := s.Send(t.Context(), d, eventsOf(1))[0]
			if got.Action != outcome.Hold || got.Cause != outcome.TLS {
				t.Errorf("round %d, %s: got %+v, want a hold for tls", round, d.Name, got)
			}
		}
	}
	if n := len(srv.requests()); n != 3 {
		t.Errorf("the server took %d requests, want 3", n)
	}
	broken := destinationAt(srv.URL, destination.V1)
	broken.CA = "no certificate"
	if got := s.Send(t.Context(), broken, eventsOf(1))[0]; got.Action != outcome.Hold || got.Cause != outcome.TLS || !strings.Contains(got.Detail, "no PEM") {
		t.Errorf("a CA that is none: got %+v", got)
	}
}

func TestAPrivateCAStandsBesideTheOthers(t *testing.T) {
	t.Parallel()
	usual, private := secureServer(t), secureServer(t)
	s := newSender(t, trusting(usual.Server))
	for _, srv := range []*server{usual, private} {
		d := destinationAt(srv.URL, destination.V1)
		d.CA = pemOf(private.Server)
		if got := s.Send(t.Context(), d, eventsOf(1))[0]; got.Action != outcome.Accept {
			t.Errorf("got %+v", got)
		}
	}
}

// TLS for the name is still asked for.
func TestAPrivateCADoesNotExcuseAnotherName(t *testing.T) {
	t.Parallel()
	srv := secureServer(t)
	d := destinationAt(strings.Replace(srv.URL, "127.0.0.1", "localhost", 1), destination.V1)
	d.CA = pemOf(srv.Server)
	if got := newSender(t).Send(t.Context(), d, eventsOf(1))[0]; got.Cause != outcome.TLS {
		t.Errorf("got %+v, want tls", got)
	}
}

func TestDestinationsOfOneCAShareATransportThatGoesWhenIdle(t *testing.T) {
	t.Parallel()
	srv := secureServer(t)
	c := &clock{}
	s := newSender(t, func(cfg *Config) { cfg.Now, cfg.IdleAfter = c.now, time.Minute })
	send := func(name string, connections int32) {
		t.Helper()
		d := named(srv.URL, name)
		d.CA = pemOf(srv.Server)
		mustAccept(t, s, d)
		if got := srv.conns.Load(); got != connections {
			t.Errorf("%s: %d connections, want %d", name, got, connections)
		}
	}
	send("a", 1)
	send("b", 1)
	c.pass(59 * time.Second)
	s.transport.sweep()
	send("a", 1)
	c.pass(time.Minute)
	s.transport.sweep()
	if n := len(s.transport.authorities.inUse); n != 0 {
		t.Errorf("%d transports are kept", n)
	}
	send("b", 2)
	c.pass(idleConnTimeout)
	s.transport.sweep()
	c.pass(idleConnTimeout)
	s.transport.sweep()
	if n := len(s.transport.authorities.retired); n != 0 {
		t.Errorf("%d retired transports are kept", n)
	}
}

func TestTransportsOfPrivateCAsAreBounded(t *testing.T) {
	t.Parallel()
	srv := secureServer(t)
	c := &clock{}
	s := newSender(t, func(cfg *Config) { cfg.Now = c.now })
	ca := func(i int) string { return fmt.Sprintf("tenant %d\n%s", i, pemOf(srv.Server)) }
	for i := range 2*maxAuthorities + 10 {
		c.pass(time.Millisecond)
		if _, err := s.transport.authorities.of(ca(i)); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Millisecond)
		if _, err := s.transport.authorities.of(ca(0)); err != nil { // always in use
			t.Fatal(err)
		}
	}
	a := s.transport.authorities
	if len(a.inUse) != maxAuthorities || len(a.retired) > maxAuthorities {
		t.Errorf("%d in use, %d retired, want at most %d", len(a.inUse), len(a.retired), maxAuthorities)
	}
	kept := a.inUse[key256(ca(0))] != nil && a.inUse[key256(ca(2*maxAuthorities+9))] != nil
	if !kept {
		t.Error("the last used are gone")
	}
}
