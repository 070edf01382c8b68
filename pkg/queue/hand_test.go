package queue_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

// small keeps pulls, and with them windows, small.
func small() embedded.Config { return embedded.Config{MaxPayload: 64 << 10} }

func wakeUp(t *testing.T, c *queue.Conn, subject string) {
	t.Helper()
	if err := c.WakeUp(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
}

func wakeups(t *testing.T, c *queue.Conn, h *queue.Hand) *queue.Source {
	t.Helper()
	s, err := c.Wakeups(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pull pulls until something comes.
func pull(t *testing.T, s *queue.Source, n int) []*queue.Delivery {
	t.Helper()
	var all []*queue.Delivery
	natstest.Eventually(t, "a pull brings something", func() bool {
		if _, err := s.Pull(t.Context(), n, 200*time.Millisecond, func(d *queue.Delivery) { all = append(all, d) }); err != nil {
			t.Fatal(err)
		}
		return len(all) > 0
	})
	return all
}

// none pulls once and wants nothing.
func none(t *testing.T, s *queue.Source, why string) {
	t.Helper()
	if n, err := s.Pull(t.Context(), 10, 300*time.Millisecond, func(*queue.Delivery) {}); n != 0 || err != nil {
		t.Errorf("%s: pulled %d, %v", why, n, err)
	}
}

func TestManyWhoSettleAtOnceSettleOnce(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	wakeUp(t, c, "hogcast.wakeups.acme.main")
	h := queue.NewHand(window, 0, nil)
	d := pull(t, wakeups(t, c, h), 1)[0]
	var settling sync.WaitGroup
	for i := range 40 {
		v := queue.AckConfirmed()
		if i%2 == 1 {
			v = queue.HandBack()
		}
		settling.Go(func() { h.Settle(d, v) })
	}
	settling.Wait()
	if s := h.Stats(); s.Acked+s.HandedBack != 1 || s.InHand != 0 || s.Received != 1 {
		t.Errorf("stats = %+v, want it settled once", s)
	}
	if !window.TakeAll() {
		t.Error("the window was not given back whole")
	}
}

func TestOneHandHonoursTheLeaseOfEachConsumer(t *testing.T) {
	t.Parallel()
	p := queue.DefaultParams()
	p.WakeupsAckWait = 2 * time.Second
	c, window := ready(t, small(), p)
	wakeUp(t, c, "hogcast.wakeups.acme.main")
	publish(t, c, "acme", "1", []byte("{}"))
	hold(t, c, "acme", "main", 1)
	h := queue.NewHand(window, 0, nil)
	wake := pull(t, wakeups(t, c, h), 1)[0]
	drained := pull(t, drain(t, c, h, window, "hogcast.held.acme.main"), 1)[0]
	w := work(t, c, queue.ConsumerConfig{Hand: h})
	d := receive(t, w.got, "a delivery")
	for _, d := range []*queue.Delivery{wake, drained, d} {
		h.Oversleep(d, 25*time.Second) // leases: 2, 30 and 60 s
	}
	for _, d := range []*queue.Delivery{wake, drained, d} {
		h.Settle(d, queue.Ack())
	}
	w.stop(t)
	if s := h.Stats(); s.Abandoned != 1 || s.Acked != 2 {
		t.Errorf("stats = %+v; want the wake-up abandoned, and the others acknowledged", s)
	}
	if !window.TakeAll() {
		t.Error("the window was not given back whole")
	}
}

func TestALeaseShorterThanTheHeartbeatIsKept(t *testing.T) {
	t.Parallel()
	p := queue.DefaultParams()
	p.WakeupsAckWait = 3 * time.Second
	c, window := ready(t, small(), p)
	wakeUp(t, c, "hogcast.wakeups.acme.main")
	h := queue.NewHand(window, 3*time.Second, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var beating sync.WaitGroup
	beating.Go(func() { h.Heartbeats(ctx) })
	s := wakeups(t, c, h)
	d := pull(t, s, 1)[0]
	if n, err := s.Pull(t.Context(), 1, 7*time.Second, func(*queue.Delivery) {}); n != 0 || err != nil {
		t.Errorf("delivered again while it was in hand: %d, %v", n, err)
	}
	h.Settle(d, queue.AckConfirmed())
	if s := h.Stats(); s.Acked != 1 || s.Abandoned != 0 {
		t.Errorf("stats = %+v", s)
	}
	cancel()
	beating.Wait()
}

func TestDrainWaitsForWhatIsInHandAndHandsBackTheRest(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	for _, name := range []string{"a", "b", "c"} {
		wakeUp(t, c, queue.WakeupSubject("acme", name))
	}
	h := queue.NewHand(window, 0, nil)
	s := wakeups(t, c, h)
	var all []*queue.Delivery
	natstest.Eventually(t, "all are in hand", func() bool { all = append(all, pull(t, s, 3-len(all))...); return len(all) == 3 })
	ctx, cancel := context.WithCancel(t.Context())
	handedBack := make(chan int)
	go func() { handedBack <- h.Drain(ctx) }()
	h.Settle(all[0], queue.AckConfirmed())
	select {
	case <-handedBack:
		t.Fatal("it did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if got := receive(t, handedBack, "the end of the drain"); got != 2 {
		t.Errorf("%d handed back, want 2", got)
	}
	var again []*queue.Delivery
	natstest.Eventually(t, "another gets them at once", func() bool { again = append(again, pull(t, s, 2)...); return len(again) == 2 })
	if got := h.Drain(ctx); got != 2 || !window.TakeAll() {
		t.Errorf("%d handed back, want 2, and the window whole", got)
	}
}
