package posthog

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// checkLoops counts the goroutines of SDK clients, which end a moment after
// they were told to. Tests that use it don't run beside others.
func checkLoops(t *testing.T, when string, want int) {
	t.Helper()
	buf := make([]byte, 16<<20)
	deadline := time.After(2 * time.Second)
	for {
		stacks := buf[:runtime.Stack(buf, true)]
		got := strings.Count(string(stacks), "posthog-go.(*client).loop(")
		if got == want {
			return
		}
		select {
		case <-deadline:
			t.Errorf("%s: got %d goroutines of the SDK, want %d", when, got, want)
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func idleClients(s *Sender) int {
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	n := 0
	for _, p := range s.clients.pools {
		n += len(p.idle)
	}
	return n
}

func named(url, name string) *destination.Destination {
	d := destinationAt(url, destination.V1)
	d.Name = name
	return d
}

func mustAccept(t *testing.T, s *Sender, d *destination.Destination) {
	t.Helper()
	if got := s.Send(t.Context(), d, eventsOf(1))[0]; got.Action != outcome.Accept {
		t.Errorf("%s: got %+v, want accept", d.ID, got)
	}
}

func TestAnIdleDestinationCostsLittle(t *testing.T) {
	const limit = 32 << 10
	if got := idleCost(t, 300); got > limit {
		t.Errorf("an idle destination keeps %.0f bytes, want at most %d", got, limit)
	}
}

func TestClientsAreKeptPerRevisionAndRetiredWhenIdle(t *testing.T) {
	srv := newServer(t, allOK)
	c := &clock{}
	s := newSender(t, func(cfg *Config) { cfg.Now, cfg.IdleAfter = c.now, 80*time.Second })
	check := func(when string, want int) {
		t.Helper()
		if got := idleClients(s); got != want {
			t.Errorf("%s: got %d clients, want %d", when, got, want)
		}
		checkLoops(t, when, want)
	}
	d := named(srv.URL, "a")
	mustAccept(t, s, d)
	same := *d
	mustAccept(t, s, &same)
	check("the same settings in another snapshot", 1)

	mended := *d
	mended.APIKey = destination.NewSecret("phc_mended")
	mustAccept(t, s, &mended)
	check("another key", 2)
	if got := srv.requests()[2].Header.Get("Authorization"); got != "Bearer phc_mended" {
		t.Errorf("the new key's batch went with %q", got)
	}

	legacy := mended
	legacy.Protocol = destination.Auto
	mustAccept(t, s, &legacy)
	check("another protocol", 3)

	c.pass(79 * time.Second)
	mustAccept(t, s, d)
	s.clients.sweep()
	check("not idle for long enough", 3)
	c.pass(time.Second)
	s.clients.sweep()
	check("those of old revisions are idle", 1)
	c.pass(80 * time.Second)
	s.clients.sweep()
	check("all are idle", 0)
	if got := len(s.clients.pools) + s.clients.recent.Len(); got != 0 {
		t.Errorf("got %d pools left", got)
	}
	mustAccept(t, s, d)
	check("it comes back", 1)
}

// A burst may use many clients at once; of a quiet destination one stays.
func TestABurstLeavesOneClient(t *testing.T) {
	var wg sync.WaitGroup
	release := make(chan struct{})
	var arrived sync.WaitGroup
	const burst = keepClients + 3
	arrived.Add(burst)
	srv := newServer(t, nil)
	srv.Config.Handler = blockAll(&arrived, release)
	c := &clock{}
	s := newSender(t, func(cfg *Config) { cfg.Now, cfg.IdleAfter = c.now, 80*time.Second })
	for range burst {
		wg.Go(func() { s.Send(t.Context(), named(srv.URL, "a"), eventsOf(1)) })
	}
	arrived.Wait()
	checkLoops(t, "in the burst", burst)
	close(release)
	wg.Wait()
	checkLoops(t, "after the burst", keepClients)
	c.pass(10 * time.Second)
	s.clients.sweep()
	checkLoops(t, "a while later", 1)
}

func TestTheLeastRecentlyUsedClientGoesFirst(t *testing.T) {
	srv := newServer(t, allOK)
	s := newSender(t, func(c *Config) { c.MaxClients = 2 })
	for _, name := range []string{"a", "b", "a", "c"} {
		mustAccept(t, s, named(srv.URL, name))
	}
	for name, want := range map[string]bool{"a": true, "b": false, "c": true} {
		d := named(srv.URL, name)
		if _, got := s.clients.pools[poolKey{d.ID, d.Revision()}]; got != want {
			t.Errorf("%s: cached %t, want %t", name, got, want)
		}
	}
	checkLoops(t, "at the end", 2)
}

// A pool that is dropped while one of its clients is in use closes it later.
func TestAClientInUseOutlivesItsEviction(t *testing.T) {
	release := make(chan struct{})
	var arrived sync.WaitGroup
	arrived.Add(1)
	slow := newServer(t, nil)
	slow.Config.Handler = blockAll(&arrived, release)
	srv := newServer(t, allOK)
	s := newSender(t, func(c *Config) { c.MaxClients = 1 })
	var wg sync.WaitGroup
	wg.Go(func() {
		got := s.Send(t.Context(), named(slow.URL, "slow"), eventsOf(1))[0]
		if got.Cause != outcome.ServerError {
			t.Errorf("got %+v, want its own answer", got)
		}
	})
	arrived.Wait()
	mustAccept(t, s, named(srv.URL, "other"))
	checkLoops(t, "in use", 2)
	close(release)
	wg.Wait()
	checkLoops(t, "after", 1)
}

func TestCloseWaitsForTheSendsInFlight(t *testing.T) {
	release := make(chan struct{})
	var arrived sync.WaitGroup
	arrived.Add(1)
	srv := newServer(t, nil)
	srv.Config.Handler = blockAll(&arrived, release)
	s := newSender(t)
	sent := make(chan outcome.Cause, 1)
	go func() { sent <- s.Send(t.Context(), named(srv.URL, "a"), eventsOf(1))[0].Cause }()
	arrived.Wait()
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	select {
	case <-closed:
		t.Error("Close returned with a Send in flight")
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	<-closed
	if got := <-sent; got != outcome.ServerError {
		t.Errorf("got %s, want the answer", got)
	}
	if got := idleClients(s); got != 0 {
		t.Errorf("got %d clients left: %s", got, fmt.Sprint(s.clients.pools))
	}
}
