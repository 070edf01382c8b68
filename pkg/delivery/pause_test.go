package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
)

func TestAPauseThatAnotherWorkerLearnedIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme, start := newEnds(), to("acme"), time.Now()
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(accept))
		d.Pause(acme.ID, start.Add(4*time.Second))
		d.Pause(acme.ID, start.Add(time.Second)) // shortens nothing
		d.Pause(to("other").ID, start.Add(-time.Second))
		d.Submit(e.item(acme, "a"))
		d.Submit(e.item(to("other"), "b"))
		<-time.After(5 * time.Second)
		if got := e.when("a").Sub(start); got != 4*time.Second {
			t.Errorf("the paused destination was asked after %s, want 4s", got)
		}
		if got := e.when("b").Sub(start); got != 250*time.Millisecond {
			t.Errorf("the other was asked after %s", got)
		}
		if got := d.Stats(); got != (delivery.Stats{}) {
			t.Errorf("left: %+v", got)
		}
		d.Stop(t.Context())
	})
}

func TestAPauseEndsWithTheRevisionThatAskedForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, before, same, after := newEnds(), to("acme"), to("acme"), to("acme")
		after.Endpoint = "https://other.example"
		d := newDispatcher(t, delivery.DefaultConfig(), scripted(limited(10*time.Second)))
		d.Submit(e.item(before, "a"))
		<-time.After(time.Second)
		d.Submit(e.item(same, "b")) // read anew, and the same
		<-time.After(time.Second)
		if e.count() != 0 {
			t.Error("a pause ended although nothing had changed")
		}
		start := time.Now()
		d.Submit(e.item(after, "c"))
		<-time.After(time.Second)
		if got := e.when("c").Sub(start); got > 250*time.Millisecond || e.of(t, "c").End != delivery.Delivered {
			t.Errorf("the changed destination was asked after %s", got)
		}
		d.Stop(t.Context())
	})
}
