package delivery_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/posthog"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

// uuidOf is the uuid of the i-th event.
func uuidOf(i int) string { return uuid.NewSHA1(uuid.Nil, []byte(name(i))).String() }

func TestOverARealSenderEachAnswerHasItsEffect(t *testing.T) {
	t.Parallel()
	const n = 20
	for name, c := range map[string]struct {
		protocol destination.Protocol
		script   []sandbox.Fault
		bad      bool // one event is buried
		requests int
	}{
		"all is well":                     {protocol: destination.V1, requests: 1},
		"a server error, then all":        {protocol: destination.V1, script: sandbox.Status(503).Times(2), requests: 3},
		"a rate limit, then all":          {protocol: destination.V1, script: []sandbox.Fault{sandbox.Status(429)}, requests: 2},
		"some are asked again":            {protocol: destination.V1, script: []sandbox.Fault{sandbox.Retry(uuidOf(3), uuidOf(5))}, requests: 2},
		"some have no verdict":            {protocol: destination.V1, script: []sandbox.Fault{sandbox.NoVerdict(uuidOf(4))}, requests: 2},
		"a reset in the answer":           {protocol: destination.V1, script: []sandbox.Fault{sandbox.ResetBody()}, requests: 2},
		"a hang, then all":                {protocol: destination.V1, script: []sandbox.Fault{sandbox.Hang()}, requests: 2},
		"one 400, then the halves":        {protocol: destination.V1, script: []sandbox.Fault{sandbox.Status(400)}, requests: 3},
		"one 413, then the halves":        {protocol: destination.Batch, script: []sandbox.Fault{sandbox.Status(413)}, requests: 3},
		"one event is dropped":            {protocol: destination.V1, script: []sandbox.Fault{sandbox.Drop("why", uuidOf(7))}, bad: true, requests: 1},
		"the first of each split is 400":  {protocol: destination.V1, script: sandbox.Status(400).Times(5), bad: true, requests: 0},
		"the legacy path after an outage": {protocol: destination.Batch, script: sandbox.Status(502).Times(2), requests: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d, to := overPostHog(t, c.protocol)
			s.Script(sandbox.Match{}, c.script...)
			e := newEnds()
			left := make(chan struct{}, n)
			for i := range n {
				item := e.item(to, uuidOf(i))
				item.Event.Timestamp = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
				note := item.Done
				item.Done = func(r delivery.Result) { note(r); left <- struct{}{} }
				d.Submit(item)
			}
			for range n {
				select {
				case <-left:
				case <-time.After(20 * time.Second):
					t.Fatal("an item did not end")
				}
			}
			buried := 0
			for i := range n {
				switch got := e.of(t, uuidOf(i)); {
				case got.End == delivery.Buried && c.bad:
					buried++
				case got.End != delivery.Delivered:
					t.Errorf("event %d: %+v", i, got)
				}
			}
			if c.bad != (buried == 1) {
				t.Errorf("%d events were buried", buried)
			}
			if got := s.Count(); got != n-buried || s.Duplicates() != 0 {
				t.Errorf("the sandbox took %d events and %d copies, want %d and none", got, s.Duplicates(), n-buried)
			}
			if got := len(s.Requests()); c.requests != 0 && got != c.requests {
				t.Errorf("%d requests, want %d", got, c.requests)
			}
		})
	}
}

func TestOverARealSenderStoppingInterruptsAHang(t *testing.T) {
	t.Parallel()
	s, d, to := overPostHog(t, destination.V1)
	s.Always(sandbox.Match{}, sandbox.Hang())
	e := newEnds()
	d.Submit(e.item(to, uuidOf(0)))
	if err := s.AwaitRequests(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d.Stop(ctx)
	if got := e.of(t, uuidOf(0)); got.End != delivery.Interrupted || got.Attempts != 0 || got.Verdict.Cause != outcome.Interrupted {
		t.Errorf("ended as %+v, want Interrupted without an attempt", got)
	}
}

// overPostHog is a dispatcher over posthog-go and a PostHog on loopback.
func overPostHog(t *testing.T, p destination.Protocol) (*sandbox.Server, *delivery.Dispatcher, *destination.Destination) {
	t.Helper()
	s := sandbox.New(sandbox.Config{})
	if err := s.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	sender, err := posthog.NewSender(posthog.Config{EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	config := delivery.DefaultConfig()
	config.BatchEvents, config.BatchWait, config.RequestTimeout = 20, 100*time.Millisecond, time.Second // whole batches go at once
	config.RetryFirst, config.RetryMax = 10*time.Millisecond, 50*time.Millisecond
	d := newDispatcher(t, config, sender)
	t.Cleanup(func() { d.Stop(context.Background()) })
	acme := to("acme")
	acme.APIKey, acme.Endpoint, acme.Protocol, acme.SamplingRate = destination.NewSecret("phc_0123456789abcdef"), s.URL(), p, 1
	return s, d, acme
}
