package ingest_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hogcast/hogcast/pkg/ingest"
	"github.com/hogcast/hogcast/pkg/queue"
)

// gateway is a connection of a user with these permissions, to a NATS that is
// set up.
func gateway(t *testing.T, publish, subscribe []string, opts ...nats.Option) *rig {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		Users: []*server.User{
			{Username: "admin", Password: "p"},
			{Username: "gateway", Password: "p", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: subscribe},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	admin, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: []string{s.ClientURL()}, User: "admin", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	if _, err := queue.Setup(t.Context(), admin, queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.ClientURL(), append(opts, nats.UserInfo("gateway", "p"))...)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	t.Cleanup(func() { nc.Close(); <-closed })
	return &rig{conn: nc}
}

// patient waits longer for an answer than a test does.
var patient = ingest.Options{AckTimeout: time.Minute}

func TestARefusalIsToldAtOnceForEachRecordAndToTheCallersHandlerToo(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	r := gateway(t, []string{"hogcast.generations.mine"}, []string{"_INBOX.>"}, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) { heard.Add(1) }))
	first, second := r.publisher(t, patient), r.publisher(t, patient)
	began := time.Now()
	var all sync.WaitGroup
	for n := range 200 { // of many tenants at once: the connection's last error is one alone
		all.Go(func() {
			p := []*ingest.Publisher{first, second}[n%2]
			tenant := fmt.Sprintf("theirs%d", n%50)
			if n%4 == 0 {
				tenant = "mine"
			}
			err := p.Publish(t.Context(), rec(tenant, n))
			if refused := errors.Is(err, ingest.ErrPermission); refused != (tenant != "mine") || err != nil && !refused {
				t.Errorf("%s: %v", tenant, err)
			}
			if err != nil && !strings.Contains(err.Error(), `"hogcast.generations.`+tenant+`"`) {
				t.Errorf("it does not say where: %v", err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	if heard.Load() == 0 {
		t.Error("the caller's error handler heard nothing")
	}
}

func TestAnInboxThatMayNotBeSubscribedToIsToldAtOnceWithWhatMendsIt(t *testing.T) {
	t.Parallel()
	silent := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	r := gateway(t, []string{"hogcast.generations.mine"}, []string{"_INBOX_gw.>"}, silent)
	p := r.publisher(t, patient)
	began := time.Now()
	for n := range 3 {
		err := p.Publish(t.Context(), rec("mine", n))
		if !errors.Is(err, ingest.ErrPermission) || !strings.Contains(err.Error(), "--nats-inbox-prefix") {
			t.Errorf("got %v", err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}

	r = gateway(t, []string{"hogcast.generations.mine"}, []string{"_INBOX_gw.>"}, silent, nats.CustomInboxPrefix("_INBOX_gw"))
	if err := r.publisher(t, patient).Publish(t.Context(), rec("mine", 1)); err != nil {
		t.Errorf("with its own prefix: %v", err)
	}
}

func TestARefusalIsToldLaterWhereAnotherHandlerTookTheEars(t *testing.T) {
	t.Parallel()
	r := gateway(t, []string{"hogcast.generations.mine"}, []string{"_INBOX.>"})
	p := r.publisher(t, ingest.Options{AckTimeout: 200 * time.Millisecond})
	r.conn.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	if err := p.Publish(t.Context(), rec("theirs", 1)); !errors.Is(err, ingest.ErrPermission) {
		t.Errorf("got %v", err)
	}
}
