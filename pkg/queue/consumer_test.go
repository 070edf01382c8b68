package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestADeliveryTellsAllOfItsMessage(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, embedded.Config{}, queue.DefaultParams())
	publish(t, c, "acme", "gen-1", []byte(`{"id":"gen-1"}`))
	w := work(t, c, queue.ConsumerConfig{})
	d := receive(t, w.got, "a delivery")
	if d.Subject != "hogcast.generations.acme" || queue.TenantOf(d.Subject) != "acme" || d.MsgID != "acme/gen-1" ||
		string(d.Data) != `{"id":"gen-1"}` || d.Stream != queue.StreamGenerations || d.Sequence != 1 || d.NumDelivered != 1 {
		t.Errorf("delivery = %+v", d)
	}
	if age := time.Since(d.Time); age < 0 || age > patience {
		t.Errorf("stored %s ago", age)
	}
	w.Settle(d, queue.Ack())
	w.stop(t)
	if got := state(t, c, queue.StreamGenerations).Msgs; got != 0 {
		t.Errorf("%d messages after the ack", got)
	}
}

func TestSettlingTwiceDoesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	c, window := ready(t, embedded.Config{}, queue.DefaultParams())
	publish(t, c, "acme", "1", []byte("{}"))
	w := work(t, c, queue.ConsumerConfig{Window: window})
	d := receive(t, w.got, "a delivery")
	w.Settle(d, queue.Ack())
	w.Settle(d, queue.HandBack())
	w.Settle(d, queue.Ack())
	w.stop(t)
	if s := w.Stats(); s.Acked != 1 || s.HandedBack != 0 || s.InHand != 0 {
		t.Errorf("stats = %+v", s)
	}
	if !window.TakeAll() {
		t.Error("the window was not given back whole")
	}
}

func TestANakIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, embedded.Config{}, queue.DefaultParams())
	publish(t, c, "acme", "1", []byte("{}"))
	w := work(t, c, queue.ConsumerConfig{})
	for i, v := range []queue.Verdict{queue.HandBack(), queue.Again(50 * time.Millisecond), queue.Ack()} {
		began := time.Now()
		d := receive(t, w.got, "a delivery")
		if d.NumDelivered != uint64(i)+1 {
			t.Errorf("delivery %d says that it is number %d", i+1, d.NumDelivered)
		}
		if took := time.Since(began); i == 2 && took < 40*time.Millisecond {
			t.Errorf("a delay of 50 ms took %s", took)
		}
		w.Settle(d, v)
	}
	w.stop(t)
	if s := w.Stats(); s.HandedBack != 1 || s.Retried != 1 || s.Acked != 1 {
		t.Errorf("stats = %+v", s)
	}
}

func TestWhatComesWhileStoppingIsHandledLikeAllBefore(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, embedded.Config{}, queue.DefaultParams())
	w := work(t, c, queue.ConsumerConfig{})
	natstest.Eventually(t, "a pull", w.Ready)
	waiting(t, c, 2)
	w.end()
	// The last pulls are open still, and get this.
	publish(t, c, "acme", "1", []byte("{}"))
	w.Settle(receive(t, w.got, "a delivery to the one that stops"), queue.Ack())
	w.stop(t)
	if s := w.Stats(); s.Acked != 1 || s.HandedBack != 0 {
		t.Errorf("stats = %+v", s)
	}
}

func TestTheWindowBoundsWhatIsInHand(t *testing.T) {
	t.Parallel()
	const payload, count = 256 << 10, 36 // 9 MiB
	window := queue.NewWindow(queue.Footprint(payload+queue.HeaderRoom) + 4*queue.Footprint(payload/2))
	c, _ := ready(t, embedded.Config{MaxPayload: payload}, queue.DefaultParams())
	body := bytes.Repeat([]byte("x"), payload/2)
	for i := range count * 2 {
		publish(t, c, "acme", fmt.Sprint(i), body)
	}
	w := work(t, c, queue.ConsumerConfig{Window: window})
	var held []*queue.Delivery
	for w.Stats().Acked < count*2 {
		// Nothing is settled until the window has no room for a pull.
		held = append(held, receive(t, w.got, "a delivery"))
		natstest.Eventually(t, "fetching stands still", func() bool {
			select {
			case d := <-w.got:
				held = append(held, d)
				return false
			default:
				return int64(len(held))*queue.Footprint(len(body)) > 4*queue.Footprint(payload/2) || w.Stats().Received == count*2
			}
		})
		if got, most := int64(w.Stats().InHand)*queue.Footprint(len(body)), window.Size(); got > most {
			t.Fatalf("%d bytes in hand; the window is %d", got, most)
		}
		for _, d := range held {
			w.Settle(d, queue.Ack())
		}
		held = held[:0]
	}
	w.stop(t)
	if !window.TakeAll() {
		t.Error("the window was not given back whole")
	}
}

func TestAWindowBelowTheLargestMessageIsRefused(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	_, err := queue.NewConsumer(queue.ConsumerConfig{Conn: c, Window: queue.NewWindow(1 << 20)})
	mentions(t, err, "window")
}

func TestAMessageOfMaxPayloadIsDelivered(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, embedded.Config{}, queue.DefaultParams())
	body := make([]byte, 8<<20-64)
	publish(t, c, "acme", "1", body)
	w := work(t, c, queue.ConsumerConfig{})
	d := receive(t, w.got, "the largest message")
	if len(d.Data) != len(body) {
		t.Errorf("%d bytes, want %d", len(d.Data), len(body))
	}
	w.Settle(d, queue.Ack())
	w.stop(t)
}

func TestHeartbeatsKeepAMessageBeyondAckWait(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, embedded.Config{}, short(time.Second))
	publish(t, c, "acme", "1", []byte("{}"))
	w := work(t, c, queue.ConsumerConfig{Heartbeat: 200 * time.Millisecond})
	d := receive(t, w.got, "a delivery")
	select {
	case again := <-w.got:
		t.Errorf("delivered again, number %d, though it was being worked on", again.NumDelivered)
	case <-time.After(2500 * time.Millisecond):
	}
	w.Settle(d, queue.Ack())
	w.stop(t)
	if s := w.Stats(); s.Acked != 1 || s.Abandoned != 0 {
		t.Errorf("stats = %+v", s)
	}
}

func TestAWorkerThatSleptSettlesNothing(t *testing.T) {
	t.Parallel()
	for name, notice := range map[string]func(w *worker, d *queue.Delivery){
		"told by a heartbeat": func(w *worker, d *queue.Delivery) { w.Beat(); w.Settle(d, queue.Ack()) },
		"told by settling":    func(w *worker, d *queue.Delivery) { w.Settle(d, queue.Ack()) },
	} {
		c, window := ready(t, embedded.Config{}, queue.DefaultParams())
		publish(t, c, "acme", "1", []byte("{}"))
		w := work(t, c, queue.ConsumerConfig{Window: window})
		d := receive(t, w.got, "a delivery")
		w.Oversleep(d, 61*time.Second)
		notice(w, d)
		w.stop(t)
		if s := w.Stats(); s.Abandoned != 1 || s.Acked != 0 || s.HandedBack != 0 {
			t.Errorf("%s: stats = %+v", name, s)
		}
		if got := state(t, c, queue.StreamGenerations).Msgs; got != 1 {
			t.Errorf("%s: %d messages are left, want 1: another has it", name, got)
		}
		if !window.TakeAll() {
			t.Errorf("%s: the window was not given back whole", name)
		}
	}
}

func TestWhatDrainHandsBackGoesToAnotherAtOnce(t *testing.T) {
	t.Parallel()
	c, window := ready(t, embedded.Config{}, queue.DefaultParams()) // ack_wait 60 s
	const count = 20
	for i := range count {
		publish(t, c, "acme", fmt.Sprint(i), []byte("{}"))
	}
	first := work(t, c, queue.ConsumerConfig{Window: window})
	for range count {
		receive(t, first.got, "a delivery")
	}
	first.stop(t)
	if s := first.Stats(); s.HandedBack != count || s.InHand != 0 {
		t.Errorf("stats = %+v", s)
	}
	if !window.TakeAll() {
		t.Error("the window was not given back whole")
	}
	second := work(t, c, queue.ConsumerConfig{})
	for range count {
		d := receive(t, second.got, "a delivery to the second worker, long before ack_wait")
		if d.NumDelivered != 2 {
			t.Errorf("delivery number %d, want 2", d.NumDelivered)
		}
		second.Settle(d, queue.Ack())
	}
	second.stop(t)
}

func TestStoppingUnderLoadStrandsNothing(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, embedded.Config{}, queue.DefaultParams()) // ack_wait 60 s
	const count = 3000
	for i := range count {
		publish(t, c, "acme", fmt.Sprint(i), []byte("{}"))
	}
	var mu sync.Mutex
	seen := make(map[uint64]bool, count)
	for stop := range 3 { // two workers are stopped in the midst, the third finishes
		ctx, cancel := context.WithCancel(t.Context())
		w := newWorker(t, c, queue.ConsumerConfig{})
		var handled atomic.Int64
		done := w.run(ctx, func(d *queue.Delivery) {
			mu.Lock()
			seen[d.Sequence] = true
			mu.Unlock()
			w.Settle(d, queue.Ack())
			if handled.Add(1) == 300 && stop < 2 {
				cancel()
			}
		})
		if stop < 2 {
			_ = receive(t, done, "the worker's end")
		} else {
			// Far sooner than ack_wait: what was on its way came back by itself.
			natstest.Eventually(t, "all handled", func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) == count })
			cancel()
			_ = receive(t, done, "the last worker's end")
		}
		w.finish(t)
	}
	if got := state(t, c, queue.StreamGenerations).Msgs; got != 0 {
		t.Errorf("%d messages are left", got)
	}
}

func TestConsumingGoesOnAfterTheServerWasAway(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	cfg := embedded.Config{StoreDir: t.TempDir()}
	s := natstest.Start(t, cfg)
	cfg.Port = portOf(t, s)
	c := natstest.Connect(t, s)
	natstest.SetUp(t, c, queue.DefaultParams())
	w := work(t, c, queue.ConsumerConfig{Logger: zap.New(core)})
	publish(t, c, "acme", "before", []byte("{}"))
	w.Settle(receive(t, w.got, "a delivery"), queue.Ack())
	s.Stop()
	natstest.Eventually(t, "not ready", func() bool { return !w.Ready() })
	natstest.Start(t, cfg)
	publish(t, c, "acme", "after", []byte("{}"))
	w.Settle(receive(t, w.got, "a delivery after the restart"), queue.Ack())
	natstest.Eventually(t, "ready", w.Ready)
	w.stop(t)
	if n := logs.FilterLevelExact(zap.ErrorLevel).Len(); n > 6 { // two fetchers, a few causes; not one a try
		t.Errorf("%d errors were logged: %v", n, logs.All())
	}
}

func TestADeletedConsumerIsToldOnceAndWaitedFor(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	c, _ := ready(t, embedded.Config{}, queue.DefaultParams())
	w := work(t, c, queue.ConsumerConfig{Logger: zap.New(core), Fetchers: 1})
	waiting(t, c, 1)
	if err := c.JS.DeleteConsumer(t.Context(), queue.StreamGenerations, queue.ConsumerWorkers); err != nil {
		t.Fatal(err)
	}
	missing := func() int {
		n := 0
		for _, entry := range logs.All() {
			if err, ok := entry.ContextMap()["error"].(string); ok && strings.Contains(err, "consumer workers of HOGCAST_GENERATIONS is missing") {
				n++
			}
		}
		return n
	}
	natstest.Eventually(t, "told", func() bool { return missing() > 0 })
	told := time.Now() // and tried again several times since
	natstest.Eventually(t, "a second has passed", func() bool { return time.Since(told) > time.Second })
	natstest.SetUp(t, c, queue.DefaultParams())
	publish(t, c, "acme", "1", []byte("{}"))
	w.Settle(receive(t, w.got, "a delivery from the new consumer"), queue.Ack())
	w.stop(t)
	if got := missing(); got != 1 {
		t.Errorf("told %d times, want 1", got)
	}
	if got := logs.FilterMessage("consuming again").Len(); got != 1 {
		t.Errorf("the recovery was told %d times, want 1", got)
	}
}

func TestRunOfAConsumerThatIsNotSetUpEnds(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	w := newWorker(t, c, queue.ConsumerConfig{})
	err := w.Run(t.Context(), func(*queue.Delivery) {})
	mentions(t, err, queue.StreamGenerations, "hogcast setup")
}

func TestAHeartbeatTooSlowForAckWaitIsRefused(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, embedded.Config{}, short(time.Second))
	w := newWorker(t, c, queue.ConsumerConfig{Heartbeat: 900 * time.Millisecond})
	mentions(t, w.Run(t.Context(), func(*queue.Delivery) {}), "heartbeat", "ack_wait")
}

func BenchmarkConsume(b *testing.B) {
	_, c := natstest.New(b)
	body := bytes.Repeat([]byte("x"), 1500)
	for range b.N {
		if err := c.NATS.Publish(queue.GenerationSubject("acme"), body); err != nil {
			b.Fatal(err)
		}
	}
	consumer, err := queue.NewConsumer(queue.ConsumerConfig{Conn: c})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	if err := consumer.Run(ctx, func(d *queue.Delivery) {
		consumer.Settle(d, queue.Ack())
		if left.Add(-1) == 0 {
			b.StopTimer()
			cancel()
		}
	}); err != nil {
		b.Fatal(err)
	}
	cancel()
}

func short(ackWait time.Duration) queue.Params {
	p := queue.DefaultParams()
	p.AckWait = ackWait
	return p
}

func ready(t *testing.T, cfg embedded.Config, p queue.Params) (*queue.Conn, *queue.Window) {
	t.Helper()
	c := natstest.Connect(t, natstest.Start(t, cfg))
	natstest.SetUp(t, c, p)
	return c, queue.NewWindow(queue.DefaultWindow)
}

// waiting waits until so many pulls wait at the server.
func waiting(t *testing.T, c *queue.Conn, pulls int) {
	t.Helper()
	workers, err := c.JS.Consumer(t.Context(), queue.StreamGenerations, queue.ConsumerWorkers)
	if err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the fetchers wait", func() bool {
		info, err := workers.Info(t.Context())
		return err == nil && info.NumWaiting == pulls
	})
}

// worker is a consumer whose deliveries the test settles.
type worker struct {
	*queue.Consumer
	got      chan *queue.Delivery
	end      context.CancelFunc
	done     <-chan error
	beating  sync.WaitGroup
	stopBeat context.CancelFunc
}

func newWorker(t *testing.T, c *queue.Conn, cfg queue.ConsumerConfig) *worker {
	t.Helper()
	cfg.Conn = c
	consumer, err := queue.NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &worker{Consumer: consumer, got: make(chan *queue.Delivery, 10_000)}
}

func work(t *testing.T, c *queue.Conn, cfg queue.ConsumerConfig) *worker {
	t.Helper()
	w := newWorker(t, c, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	w.end = cancel
	w.done = w.run(ctx, func(d *queue.Delivery) { w.got <- d })
	return w
}

func (w *worker) run(ctx context.Context, handle func(*queue.Delivery)) <-chan error {
	beat, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stopBeat = stop
	w.beating.Go(func() { w.Heartbeats(beat) })
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, handle) }()
	return done
}

// stop ends fetching, and hands back at once what is in hand.
func (w *worker) stop(t *testing.T) {
	t.Helper()
	w.end()
	if err := receive(t, w.done, "the end of Run"); err != nil {
		t.Errorf("Run: %v", err)
	}
	w.finish(t)
}

func (w *worker) finish(t *testing.T) {
	t.Helper()
	now, cancel := context.WithCancel(t.Context())
	cancel()
	w.Drain(now)
	w.stopBeat()
	w.beating.Wait()
}
