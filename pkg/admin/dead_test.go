package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

func TestDeadLettersAreListedCountedAndShown(t *testing.T) {
	t.Parallel()
	conn := newQueue(t, queue.DefaultParams(), 1<<20)
	writer, reader := deadletter.NewWriter(conn, 1<<20), deadletter.NewReader(conn)
	for i, tenant := range []string{"acme", "acme", "beta"} {
		_, err := writer.Write(t.Context(), deadletter.Letter{
			Tenant: tenant, Destination: "main", Reason: outcome.Dropped,
			Envelope: envelope.Envelope{
				Source:   envelope.Source{Stream: "S", Sequence: uint64(i), Time: time.Unix(0, 1)}, //nolint:gosec // small
				RecordID: fmt.Sprintf("g%d", i), Detail: fmt.Sprintf("rejected %d", i), Body: []byte(`{"id":"<g>"}`),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := func(p admin.ListDeadParams) string {
		var out bytes.Buffer
		p.Out = &out
		if err := admin.ListDead(t.Context(), reader, p); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := list(admin.ListDeadParams{}); strings.Count(got, "\n") != 4 || !strings.HasPrefix(got, "SEQUENCE") || !strings.Contains(got, "rejected 2") {
		t.Errorf("list:\n%s", got)
	}
	if got := list(admin.ListDeadParams{Limit: 1, JSON: true}); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"record_id":"g0"`) {
		t.Errorf("list of one as JSON:\n%s", got)
	}
	if got := list(admin.ListDeadParams{By: "cause"}); strings.Count(got, "\n") != 2 || !strings.Contains(got, "dropped: rejected N") {
		t.Errorf("by cause:\n%s", got)
	}
	if got := list(admin.ListDeadParams{By: "tenant", JSON: true}); !strings.HasPrefix(got, `{"key":"acme","count":2,"tenants":1`) {
		t.Errorf("by tenant:\n%s", got)
	}
	if got := list(admin.ListDeadParams{Filter: deadletter.Filter{Tenant: "nobody"}}); got != "no dead letters match\n" {
		t.Errorf("nothing: %q", got)
	}
	letter, err := reader.Get(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := admin.DescribeLetter(letter)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(shown)
	if err != nil || !strings.Contains(string(raw), `"record":{"id":`) || !shown.Replayable {
		t.Errorf("%v: %s", err, raw)
	}
}
