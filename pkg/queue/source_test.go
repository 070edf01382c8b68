package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

// hold stores n branches of a destination, whose bodies are numbers.
func hold(t *testing.T, c *queue.Conn, tenant, name string, n int) {
	t.Helper()
	holdAt(t, c, queue.HeldSubject(tenant, name), n)
}

func holdAt(t *testing.T, c *queue.Conn, subject string, n int) {
	t.Helper()
	for i := range n {
		m := queue.Message{Subject: subject, ID: fmt.Sprint(subject, "/", i+1), Body: []byte(fmt.Sprint(i + 1))}
		if err := c.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

func drain(t *testing.T, c *queue.Conn, h *queue.Hand, w *queue.Window, subject string) *queue.Source {
	t.Helper()
	s, err := c.DrainSource(t.Context(), h, w, subject)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func consumersOf(t *testing.T, c *queue.Conn, stream string) []string {
	t.Helper()
	s, err := c.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range s.ConsumerNames(t.Context()).Name() {
		names = append(names, name)
	}
	return names
}

func TestAPullWithinAPartGivesAllRoomBack(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	part := window.Part(1 << 20)
	hold(t, c, "acme", "main", 20)
	h := queue.NewHand(window, 0, nil)
	s := drain(t, c, h, part, "hogcast.held.acme.main")
	var all []*queue.Delivery
	for len(all) < 20 {
		all = append(all, pull(t, s, 7)...)
	}
	if part.TakeAll() || window.TakeAll() {
		t.Error("what is in hand takes no room")
	}
	for i, d := range all {
		if got, want := string(d.Data), fmt.Sprint(i+1); got != want {
			t.Errorf("delivery %d is %s", i+1, got)
		}
		h.Settle(d, []queue.Verdict{queue.Ack(), queue.Again(time.Hour), queue.HandBack(), queue.AckConfirmed()}[i%4])
	}
	if !part.TakeAll() || !window.TakeAll() {
		t.Errorf("the part is whole: %t, the window: %t", part.TakeAll(), window.TakeAll())
	}
	for _, d := range pull(t, s, 20) {
		h.Settle(d, queue.Ack())
	}
	none(t, s, "what sleeps")
	if !part.TakeAll() || !window.TakeAll() {
		t.Error("an empty pull keeps room")
	}
}

func TestAPullThatFindsNoRoomWaitsAndGivesUpWhole(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	room := queue.Footprint(64<<10 + queue.HeaderRoom)
	part := window.Part(room)
	hold(t, c, "acme", "main", 2)
	h := queue.NewHand(window, 0, nil)
	s := drain(t, c, h, part, "hogcast.held.acme.main")
	d := pull(t, s, 1)[0] // the part has no room for another pull
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := s.Pull(ctx, 1, time.Second, func(*queue.Delivery) {})
		ended <- err
	}()
	natstest.Eventually(t, "it presses", part.Pressed)
	if window.Pressed() {
		t.Error("a part that is full presses the whole")
	}
	cancel()
	if err := receive(t, ended, "the end of the pull"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if part.Pressed() {
		t.Error("it presses though nobody waits")
	}
	h.Settle(d, queue.Ack())
	if !part.TakeAll() || !window.TakeAll() {
		t.Error("the room was not given back")
	}
}

func TestAPartWaitsForTheWhole(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	room := queue.Footprint(64<<10 + queue.HeaderRoom)
	window := queue.NewWindow(room + queue.Footprint(0))  // for one pull and nearly nothing else
	one, other := window.Part(room), window.Part(10*room) // a part is never larger than the whole
	hold(t, c, "acme", "main", 2)
	h := queue.NewHand(window, 0, nil)
	d := pull(t, drain(t, c, h, other, "hogcast.held.acme.main"), 1)[0]
	second := drain(t, c, h, one, "hogcast.held.acme.main")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := second.Pull(ctx, 1, time.Second, func(*queue.Delivery) {})
		ended <- err
	}()
	natstest.Eventually(t, "it presses the whole", window.Pressed)
	cancel()
	if err := receive(t, ended, "the end of the pull"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if !one.TakeAll() {
		t.Error("the part kept what the whole did not give")
	}
	h.Settle(d, queue.Ack())
	if !window.TakeAll() || !other.TakeAll() {
		t.Error("the room was not given back")
	}
}

func TestWorkersShareTheDrainOfASubject(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	hold(t, c, "acme", "main", 6)
	h := queue.NewHand(window, 0, nil)
	a, b := drain(t, c, h, window, "hogcast.held.acme.main"), drain(t, c, h, window, "hogcast.held.acme.main")
	if got := consumersOf(t, c, queue.StreamHeld); len(got) != 1 {
		t.Errorf("consumers = %v, want one", got)
	}
	var got []string
	for len(got) < 6 {
		for _, s := range []*queue.Source{a, b} {
			if len(got) == 6 {
				break
			}
			d := pull(t, s, 1)[0]
			got = append(got, string(d.Data))
			h.Settle(d, queue.AckConfirmed())
		}
	}
	if want := []string{"1", "2", "3", "4", "5", "6"}; !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
	if left, err := a.Outstanding(t.Context()); left != 0 || err != nil {
		t.Errorf("outstanding = %d, %v", left, err)
	}
}

func TestNamesThatJoinAlikeHaveDrainsOfTheirOwn(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	h := queue.NewHand(window, 0, nil)
	for _, id := range [][2]string{{"a", "b-c"}, {"a-b", "c"}} {
		hold(t, c, id[0], id[1], 1)
	}
	for _, id := range [][2]string{{"a", "b-c"}, {"a-b", "c"}} {
		d := pull(t, drain(t, c, h, window, queue.HeldSubject(id[0], id[1])), 10)
		if len(d) != 1 || d[0].Subject != queue.HeldSubject(id[0], id[1]) {
			t.Errorf("%v: delivered %d, the first of %s", id, len(d), d[0].Subject)
		}
	}
	if got := consumersOf(t, c, queue.StreamHeld); len(got) != 2 {
		t.Errorf("consumers = %v, want two", got)
	}
}

func TestADrainThatIsEndedIsGone(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	h := queue.NewHand(window, 0, nil)
	s := drain(t, c, h, window, "hogcast.held.acme.main")
	during := make(chan error)
	go func() {
		_, err := s.Pull(context.Background(), 1, 5*time.Second, func(*queue.Delivery) {})
		during <- err
	}()
	consumer, err := c.JS.Consumer(t.Context(), queue.StreamHeld, consumersOf(t, c, queue.StreamHeld)[0])
	if err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the pull waits", func() bool {
		info, err := consumer.Info(t.Context())
		return err == nil && info.NumWaiting == 1
	})
	for range 2 { // the second finds none, which is as good
		if err := c.EndDrain(t.Context(), "hogcast.held.acme.main"); err != nil {
			t.Fatal(err)
		}
	}
	if err := receive(t, during, "the end of the pull"); !errors.Is(err, queue.ErrGone) {
		t.Errorf("a pull under way: got %v, want %v", err, queue.ErrGone)
	}
	if _, err := s.Pull(t.Context(), 1, time.Second, func(*queue.Delivery) {}); !errors.Is(err, queue.ErrGone) {
		t.Errorf("a pull afterwards: got %v, want %v", err, queue.ErrGone)
	}
	if !window.TakeAll() {
		t.Error("the window was not given back whole")
	}
	hold(t, c, "acme", "main", 1)
	if got := pull(t, drain(t, c, h, window, "hogcast.held.acme.main"), 1); len(got) != 1 {
		t.Errorf("made anew it delivers %d", len(got))
	}
}

func TestOutstandingCountsWhatSleepsAndWhatIsInHand(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	h := queue.NewHand(window, 0, nil)
	hold(t, c, "acme", "main", 3)
	hold(t, c, "acme", "other", 5)
	s := drain(t, c, h, window, "hogcast.held.acme.main")
	got := pull(t, s, 2)
	h.Settle(got[0], queue.Again(time.Hour))
	if left, err := s.Outstanding(t.Context()); left != 3 || err != nil {
		t.Errorf("outstanding = %d, %v; want 3", left, err)
	}
	if n, err := c.HeldCount(t.Context(), "hogcast.held.acme.main"); n != 3 || err != nil {
		t.Errorf("held = %d, %v; want 3", n, err)
	}
	if n, err := c.HeldCount(t.Context(), "hogcast.held.nobody.main"); n != 0 || err != nil {
		t.Errorf("held for nobody = %d, %v", n, err)
	}
}

func TestAHostsDrainIsOneForAllOfItsDestinations(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	h := queue.NewHand(window, 0, nil)
	token, other := queue.HostToken("https://a.example"), queue.HostToken("https://b.example")
	for _, tenant := range []string{"x", "y", "z"} {
		holdAt(t, c, queue.HeldHostSubject(token, tenant, "main"), 1)
		holdAt(t, c, queue.HeldHostSubject(other, tenant, "main"), 1)
	}
	filter := queue.HeldHostFilter(token)
	if n, err := c.HeldCount(t.Context(), filter); n != 3 || err != nil {
		t.Errorf("held = %d, %v; want 3", n, err)
	}
	oldest, err := c.Oldest(t.Context(), filter)
	if err != nil || oldest.Subject != queue.HeldHostSubject(token, "x", "main") {
		t.Errorf("oldest = %s, %v", oldest.Subject, err)
	}
	var got []string
	for len(got) < 3 {
		for _, d := range pull(t, drain(t, c, h, window, filter), 3) {
			_, tenant, _, _ := queue.ParseHeldSubject(d.Subject)
			got = append(got, tenant)
		}
	}
	if want := []string{"x", "y", "z"}; !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

func TestTheOldestAndTheNewestAreReadWithoutBeingConsumed(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	hold(t, c, "other", "main", 1)
	for _, read := range []func(context.Context, string) (queue.StoredMessage, error){c.Oldest, c.Newest} {
		if _, err := read(t.Context(), "hogcast.held.acme.main"); !errors.Is(err, queue.ErrNoMessage) {
			t.Errorf("of nothing: got %v, want %v", err, queue.ErrNoMessage)
		}
	}
	hold(t, c, "acme", "main", 3)
	oldest, err := c.Oldest(t.Context(), "hogcast.held.acme.main")
	if err != nil || string(oldest.Body) != "1" || oldest.Header[jetstream.MsgIDHeader] == nil || oldest.Time.IsZero() {
		t.Errorf("oldest = %+v, %v", oldest, err)
	}
	newest, err := c.Newest(t.Context(), "hogcast.held.acme.main")
	if err != nil || string(newest.Body) != "3" || newest.Sequence != oldest.Sequence+2 {
		t.Errorf("newest = %+v, %v", newest, err)
	}
	if got := state(t, c, queue.StreamHeld).Msgs; got != 4 {
		t.Errorf("%d messages are left, want 4", got)
	}
}

func TestALargeBranchIsPulledAmongSmallOnes(t *testing.T) {
	t.Parallel()
	c, window := ready(t, embedded.Config{}, queue.DefaultParams()) // max_payload 8 MiB
	h := queue.NewHand(window, 0, nil)
	sizes := []int{10, 7 << 20, 10, 3 << 20, 10}
	for i, size := range sizes {
		m := queue.Message{Subject: "hogcast.held.acme.main", ID: fmt.Sprint(i), Body: make([]byte, size)}
		if err := c.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	s := drain(t, c, h, window.Part(32<<20), "hogcast.held.acme.main")
	var got []int
	for len(got) < len(sizes) {
		for _, d := range pull(t, s, 10) {
			got = append(got, len(d.Data))
			h.Settle(d, queue.AckConfirmed())
		}
	}
	if !slices.Equal(got, sizes) {
		t.Errorf("pulled %v, want %v", got, sizes)
	}
	none(t, s, "all are acknowledged")
	if !window.TakeAll() {
		t.Error("the window was not given back whole")
	}
}
