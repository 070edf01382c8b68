package ingest

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/nats-io/nats.go"
)

func TestNoConnectionIsKeptForItsEars(t *testing.T) {
	t.Parallel()
	var key weak.Pointer[nats.Conn]
	func() {
		conn := &nats.Conn{}
		conn.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) { runtime.KeepAlive(conn) })
		key = weak.Make(conn)
		for range 3 {
			p := &Publisher{options: Options{Conn: conn}}
			p.listen()
			p.deafen()
		}
	}()
	known := func() bool {
		everyEars.mu.Lock()
		defer everyEars.mu.Unlock()
		_, ok := everyEars.of[key]
		return ok
	}
	if !known() {
		t.Fatal("nobody listens")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); known(); <-tick.C {
		runtime.GC()
		if time.Now().After(deadline) {
			t.Fatal("the connection is kept")
		}
	}
}
