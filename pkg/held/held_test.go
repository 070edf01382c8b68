package held_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestParkHoldsTheBranchAndWakes(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{"for itself": "", "for its host": queue.HostToken(endpoint)} {
		tn := newTown(t)
		w := tn.idle(t, "a")
		to := destinationOf("acme").ID
		b := branch(to, 7)
		b.Host = host
		if err := w.parker.Park(t.Context(), b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		subject, wakeup := "hogcast.held.acme.main", "hogcast.wakeups.acme.main"
		if host != "" {
			subject, wakeup = "hogcast.heldhost."+host+".acme.main", "hogcast.wakeups._."+host
		}
		m, err := tn.outside.Oldest(t.Context(), subject)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := nats.Header(m.Header).Get(jetstream.MsgIDHeader), envelope.MoveID(b.From, to.Name); got != want {
			t.Errorf("%s: id %q, want %q", name, got, want)
		}
		got, err := envelope.Parse(m.Header, m.Body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := b.Envelope
		want.Source.Time, got.Source.Time = want.Source.Time.UTC(), got.Source.Time.UTC()
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s: envelope (-want +got):\n%s", name, diff)
		}
		natstest.Eventually(t, name+": a wake-up is there", func() bool { return tn.count(t, queue.StreamWakeups, wakeup) == 1 })
		if err := w.parker.Park(t.Context(), b); err != nil {
			t.Errorf("%s: asked again: %v", name, err)
		}
		if got := tn.count(t, queue.StreamHeld, ">") + tn.count(t, queue.StreamHeldHosts, ">"); got != 1 {
			t.Errorf("%s: %d branches are held after one was asked for twice", name, got)
		}
	}
}

func TestWhatFitsIntoNoMessageIsRefused(t *testing.T) {
	t.Parallel()
	tn := newTown(t) // max_payload 64 KiB
	w := tn.idle(t, "a")
	var noise strings.Builder
	for x := uint32(1); noise.Len() < 256<<10; x = x*1664525 + 1013904223 {
		noise.WriteByte(byte(x >> 24))
	}
	b := branch(destinationOf("acme").ID, 1)
	b.Envelope.Body = []byte(noise.String())
	if err := w.parker.Park(t.Context(), b); !errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("got %v, want %v", err, queue.ErrTooLarge)
	}
	b.Envelope.Body = []byte(strings.Repeat("a", 256<<10))
	if err := w.parker.Park(t.Context(), b); err != nil {
		t.Errorf("what fits when it is compressed: %v", err)
	}
}

func TestADestinationHasItsShareOfHELD(t *testing.T) {
	t.Parallel()
	tn := newTown(t, func(p *queue.Params) { p.HeldQuota = 3 })
	w := tn.idle(t, "a")
	full, other := destinationOf("full").ID, destinationOf("other").ID
	tn.hold(t, full, "", 3)
	if err := w.parker.Park(t.Context(), branch(full, 4)); !errors.Is(err, queue.ErrQueueFull) {
		t.Errorf("above its share: got %v, want %v", err, queue.ErrQueueFull)
	}
	if err := w.parker.Park(t.Context(), branch(other, 1)); err != nil {
		t.Errorf("another destination: %v", err)
	}
	if got := tn.heldFor(t, full); got != 3 {
		t.Errorf("%d branches are held, want 3", got)
	}
}

func TestABurstOfParksPublishesFewWakeups(t *testing.T) {
	t.Parallel()
	const parks, callers = 10_000, 64
	tn := newTown(t)
	w := tn.idle(t, "a")
	to := destinationOf("acme").ID
	var mu sync.Mutex
	var published []time.Time // also those that the stream refuses
	sub, err := tn.outside.NATS.Subscribe("hogcast.wakeups.>", func(*nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		published = append(published, time.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	began := time.Now()
	work := make(chan uint64)
	var parking sync.WaitGroup
	for range callers {
		parking.Go(func() {
			for n := range work {
				if err := w.parker.Park(context.Background(), branch(to, n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	n := uint64(0)
	for n < parks || time.Since(began) < 2*time.Second {
		n++
		work <- n
	}
	close(work)
	last := time.Now() // the last parks are under way
	parking.Wait()
	took := time.Since(began)
	natstest.Eventually(t, "a wake-up after the last park", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(published) > 0 && published[len(published)-1].After(last)
	})
	mu.Lock()
	defer mu.Unlock()
	if most := int(took/time.Second) + 3; len(published) > most {
		t.Errorf("%d wake-ups were published within %s, want at most %d", len(published), took, most)
	}
	if got := tn.heldFor(t, to); got != n {
		t.Errorf("%d branches are held, want %d", got, n)
	}
}

func TestAWakerPublishesWhatIsDueWhenItStops(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	waker := held.NewWaker(tn.outside, nil)
	stop := background(t, waker.Run)
	for _, id := range []destination.ID{destinationOf("a").ID, destinationOf("b").ID} {
		waker.Wake(queue.WakeupSubject(id.Tenant, id.Name))
		waker.Wake(queue.WakeupSubject(id.Tenant, id.Name))
	}
	stop()
	if got := tn.count(t, queue.StreamWakeups, ">"); got != 2 {
		t.Errorf("%d wake-ups after the stop, want 2", got)
	}
}
