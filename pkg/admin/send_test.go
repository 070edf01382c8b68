package admin_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func newQueue(t *testing.T, params queue.Params) *queue.Conn {
	t.Helper()
	conn := natstest.Connect(t, natstest.Start(t, embedded.Config{MaxPayload: 1 << 20}))
	natstest.SetUp(t, conn, params)
	return conn
}

func send(t *testing.T, conn *queue.Conn, in string) (admin.SendResult, string) {
	t.Helper()
	var errs bytes.Buffer
	result, err := admin.Send(t.Context(), admin.SendParams{
		Conn: conn.NATS, Tenant: "acme", Timeout: 10 * time.Second, In: strings.NewReader(in), Errors: &errs,
	})
	if err != nil {
		t.Fatal(err)
	}
	return result, errs.String()
}

func untenanted(id, more string) string {
	return `{"id":"` + id + `","created_at":"2026-01-02T03:04:05Z","model":"m"` + more + "}\n"
}

func TestEveryRecordIsAcknowledgedOrReported(t *testing.T) {
	t.Parallel()
	conn := newQueue(t, queue.DefaultParams())
	in := untenanted("a", "") + untenanted("b", `,"tenant":"other"`) + untenanted("c", `,"prompt":"`+strings.Repeat("x", 1<<20)+`"`) + "oops\n" + untenanted("a", "")
	result, errs := send(t, conn, in)
	if result.Read != 5 || result.Acknowledged != 3 || result.Duplicates != 1 || result.Unreadable != 1 || result.Failed != 2 || result.Complete() {
		t.Errorf("got %+v", result)
	}
	for _, want := range []string{"line 2: ", "tenant", "line 3: ", "too large", "line 4: warning: record: not JSON"} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is not reported:\n%s", want, errs)
		}
	}
	if stored, err := queue.Waiting(t.Context(), conn, queue.StreamGenerations); err != nil || stored != 2 {
		t.Errorf("%d records are stored, %v; want 2", stored, err)
	}
}

func TestAFullQueueIsSaidToBeFull(t *testing.T) {
	t.Parallel()
	params := queue.DefaultParams()
	params.TenantQuota = 1
	conn := newQueue(t, params)
	result, errs := send(t, conn, untenanted("a", "")+untenanted("b", ""))
	if result.Acknowledged != 1 || result.Failed != 1 || !strings.Contains(errs, "the queue is full") {
		t.Errorf("got %+v\n%s", result, errs)
	}
	if !strings.Contains(result.String(), "2 records read, 1 acknowledged") {
		t.Errorf("summary: %s", result)
	}
}
