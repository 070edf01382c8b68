package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func newTrail(t *testing.T) (*audit.Trail, *queue.Conn) {
	t.Helper()
	_, conn := natstest.New(t)
	return audit.New(conn.Log()), conn
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func read(t *testing.T, trail *audit.Trail, q audit.Query) (got []audit.Record) {
	t.Helper()
	if err := trail.Read(t.Context(), q, func(r audit.Record) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWhatIsWrittenIsReadBackOldestFirst(t *testing.T) {
	t.Parallel()
	trail, conn := newTrail(t)
	written := []audit.Record{
		{At: noon, By: "ann", Action: audit.DestinationCreated, Tenant: "acme", Destination: "main", Revision: 1, After: json.RawMessage(`{"a":1}`)},
		{At: noon.Add(time.Hour), By: "bob", Action: audit.DestinationUpdated, Tenant: "acme", Destination: "other", Note: "why"},
		{At: noon.Add(2 * time.Hour), By: "ann", Action: audit.ReplayStarted, Tenant: "beta", Subject: "job-1"},
		{At: noon.Add(3 * time.Hour), By: "ann", Action: audit.SecretsRotated},
	}
	for i, r := range written {
		if err := trail.Append(t.Context(), string(rune('a'+i)), r); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(written, read(t, trail, audit.Query{})); diff != "" {
		t.Errorf("(-written +read)\n%s", diff)
	}
	for name, c := range map[string]struct {
		query audit.Query
		want  []int
	}{
		"of a tenant":            {audit.Query{Tenant: "acme"}, []int{0, 1}},
		"of a destination":       {audit.Query{Tenant: "acme", Destination: "main"}, []int{0}},
		"by somebody":            {audit.Query{By: "bob"}, []int{1}},
		"of some kinds":          {audit.Query{Actions: []audit.Action{audit.ReplayStarted, audit.SecretsRotated}}, []int{2, 3}},
		"until a time":           {audit.Query{Until: noon.Add(90 * time.Minute)}, []int{0, 1}},
		"of who has done nought": {audit.Query{Tenant: "acme", By: "eve"}, nil},
	} {
		var want []audit.Record
		for _, i := range c.want {
			want = append(want, written[i])
		}
		if diff := cmp.Diff(want, read(t, trail, c.query)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	counts, err := conn.CountBySubject(t.Context(), queue.StreamAudit, ">")
	if err != nil || counts["hogcast.audit.acme.main"] != 1 || counts["hogcast.audit.beta._"] != 1 || counts["hogcast.audit._._"] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
}

func TestADeedIsWrittenOnce(t *testing.T) {
	t.Parallel()
	trail, _ := newTrail(t)
	for range 3 {
		if err := trail.Append(t.Context(), "deed", audit.Record{By: "ann", Action: audit.Purged, Tenant: "acme"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, trail, audit.Query{}); len(got) != 1 || time.Since(got[0].At) > time.Minute {
		t.Errorf("got %+v", got)
	}
}

func TestWhatCantBeReadIsToldAsSuch(t *testing.T) {
	t.Parallel()
	trail, conn := newTrail(t)
	if err := conn.Log().Append(t.Context(), "acme", "main", "x", []byte("no JSON")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, trail, audit.Query{}); len(got) != 1 || got[0].Action != "" || !strings.Contains(got[0].Note, "can't read") {
		t.Errorf("got %+v", got)
	}
}

func TestReadingEndsWithAnErrorOfItsUser(t *testing.T) {
	t.Parallel()
	trail, _ := newTrail(t)
	for _, id := range []string{"a", "b"} {
		if err := trail.Append(t.Context(), id, audit.Record{By: "ann", Action: audit.Purged}); err != nil {
			t.Fatal(err)
		}
	}
	enough, n := errors.New("enough"), 0
	err := trail.Read(t.Context(), audit.Query{}, func(audit.Record) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("%v after %d", err, n)
	}
}

func TestNobodyDoesAnything(t *testing.T) {
	t.Parallel()
	for by, good := range map[string]bool{
		"ann": true, "ci@example.com (apply)": true, "Ä": true, "": false, " ": false, "a\x1b[2J": false, "a\nb": false,
		"\xff": false, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false,
	} {
		if err := audit.CheckBy(by); (err == nil) != good {
			t.Errorf("%q: %v", by, err)
		}
	}
	if err := audit.New(nil).Append(context.Background(), "x", audit.Record{}); err == nil {
		t.Error("a record of nobody was written")
	}
}

func TestTheActionsAreAClosedList(t *testing.T) {
	t.Parallel()
	seen := map[audit.Action]bool{}
	for _, a := range audit.Actions() {
		if seen[a] || a == "" || strings.ToLower(string(a)) != string(a) {
			t.Errorf("%q", a)
		}
		seen[a] = true
	}
}
