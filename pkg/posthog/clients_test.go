package posthog

import (
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
	return len(s.clients.idle)
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

func TestAnIdleDestinationCostsNothing(t *testing.T) {
	const limit = 2 << 10 // noise: 300 share what the test itself keeps
	if got := idleCost(t, 300); got > limit {
		t.Errorf("an idle destination keeps %.0f bytes, want at most %d", got, limit)
	}
}

func TestOneClientServesWhateverComesAndIsRetiredWhenIdle(t *testing.T) {
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
	d, other := named(srv.URL, "a"), named(srv.URL, "b")
	other.APIKey = destination.NewSecret(`phc_"other\`)
	mustAccept(t, s, d)
	mustAccept(t, s, other)
	check("two destinations", 1)
	c.pass(79 * time.Second)
	legacy := *other
	legacy.Protocol = destination.Batch
	mustAccept(t, s, &legacy)
	check("another path", 2)
	s.clients.sweep()
	check("not idle for long enough", 2)
	c.pass(time.Second)
	s.clients.sweep()
	check("the first is idle", 1)
	c.pass(80 * time.Second)
	s.clients.sweep()
	check("both are", 0)
	mustAccept(t, s, d)
	check("it comes back", 1)

	requests := srv.requests()
	for i, want := range []string{d.APIKey.Reveal(), other.APIKey.Reveal(), "", d.APIKey.Reveal()} {
		if got := strings.TrimPrefix(requests[i].Header.Get("Authorization"), "Bearer "); got != want {
			t.Errorf("request %d: its key is %q, want %q", i, got, want)
		}
	}
	if got := requests[2].Body.APIKey; got != other.APIKey.Reveal() {
		t.Errorf("on the legacy path: got the key %q", got)
	}
}

// A burst may use many clients at once; what is kept of them is bounded.
func TestABurstLeavesABoundedNumberOfClients(t *testing.T) {
	var wg sync.WaitGroup
	release := make(chan struct{})
	var arrived sync.WaitGroup
	const kept, burst = 4, 7
	arrived.Add(burst)
	srv := newServer(t, nil)
	srv.Config.Handler = blockAll(&arrived, release)
	s := newSender(t, func(cfg *Config) { cfg.MaxClients = kept })
	for range burst {
		wg.Go(func() { s.Send(t.Context(), named(srv.URL, "a"), eventsOf(1)) })
	}
	arrived.Wait()
	checkLoops(t, "in the burst", burst)
	close(release)
	wg.Wait()
	checkLoops(t, "after the burst", kept)
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
		t.Errorf("got %d clients left", got)
	}
}

// The SDK has never been seen to come back late; if it does, the events' memory
// may be another tenant's by then.
func TestAnSDKThatComesBackLateReadsNothing(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	s := newSender(t)
	x := aimed(t, s, srv, pathV1, eventsOf(2))
	c, err := newClient(pathV1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	x.abandon()
	if !c.run(x, time.Minute) {
		t.Fatal("the SDK did not come back")
	}
	if n := srv.conns.Load(); n != 0 || x.answer.verdict.Action == outcome.Accept {
		t.Errorf("got %d connections, %+v", n, x.answer.verdict)
	}
}
