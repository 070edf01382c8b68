package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

func bury(t *testing.T, conn *queue.Conn, tenants ...string) *deadletter.Reader {
	t.Helper()
	writer := deadletter.NewWriter(conn, 1<<20)
	for i, tenant := range tenants {
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
	return deadletter.NewReader(conn)
}

func list(t *testing.T, r *deadletter.Reader, p admin.ListDeadParams) string {
	t.Helper()
	var out bytes.Buffer
	p.Out = &out
	if err := admin.ListDead(t.Context(), r, p); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDeadLettersAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	reader := bury(t, newQueue(t, queue.DefaultParams()), "acme", "acme", "beta")
	lines := strings.Split(list(t, reader, admin.ListDeadParams{}), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "SEQUENCE") || !strings.Contains(lines[1], "rejected 2") || !strings.Contains(lines[3], "rejected 0") {
		t.Errorf("list:\n%s", strings.Join(lines, "\n"))
	}
	for name, tt := range map[string]struct {
		params admin.ListDeadParams
		last   string
	}{
		"all that match":        {admin.ListDeadParams{Filter: deadletter.Filter{Tenant: "acme"}, Limit: 2}, "rejected 0"},
		"some":                  {admin.ListDeadParams{Limit: 2}, "the newest 2 of 3 shown; --limit 0 for all"},
		"some, unread":          {admin.ListDeadParams{Limit: 1, Filter: deadletter.Filter{Text: "rej"}}, "the newest 1 shown, more match; --limit 0 for all"},
		"some, the oldest":      {admin.ListDeadParams{Limit: 1, Oldest: true}, "the oldest 1 of 3 shown; --limit 0 for all"},
		"one as JSON":           {admin.ListDeadParams{Limit: 1, JSON: true}, `"size":12}`},
		"none":                  {admin.ListDeadParams{Filter: deadletter.Filter{Tenant: "nobody"}}, "no dead letters match"},
		"no groups":             {admin.ListDeadParams{Filter: deadletter.Filter{Tenant: "nobody"}, By: "reason"}, "no dead letters match"},
		"by cause":              {admin.ListDeadParams{By: "cause"}, "dropped: rejected N"},
		"by tenant":             {admin.ListDeadParams{By: "tenant"}, "beta"},
		"by destination":        {admin.ListDeadParams{By: "destination"}, "beta.main"},
		"by tenant, some":       {admin.ListDeadParams{By: "tenant", Limit: 1}, "the largest 1 of 2 tenants shown; --limit 0 for all"},
		"by tenant, from heads": {admin.ListDeadParams{By: "tenant", Filter: deadletter.Filter{Text: "rejected 2"}}, "beta"},
	} {
		lines := strings.Split(strings.TrimSpace(list(t, reader, tt.params)), "\n")
		if last := lines[len(lines)-1]; !strings.HasSuffix(last, tt.last) {
			t.Errorf("%s ends with %q, not %q", name, last, tt.last)
		}
	}
}

func TestCountsAreTheSameReadOrUnread(t *testing.T) {
	t.Parallel()
	reader := bury(t, newQueue(t, queue.DefaultParams()), "acme", "beta", "acme", "gamma")
	for _, by := range []string{"tenant", "destination", "reason"} {
		unread := list(t, reader, admin.ListDeadParams{By: by})
		read := list(t, reader, admin.ListDeadParams{By: by, Filter: deadletter.Filter{Text: "rejected"}})
		if unread != read {
			t.Errorf("by %s:\n%s, read:\n%s", by, unread, read)
		}
	}
}

func TestALetterIsShownWithItsRecord(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id": "<g>"}`: `"record":{"id":"<g>"}`,
		"oops":          `"record":"oops"`,
		"\xff\xfe":      `"record_base64":"//4="`,
	} {
		shown, err := admin.DescribeLetter(&deadletter.Stored{Envelope: &envelope.Envelope{Body: []byte(body)}})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(shown); err != nil || !strings.Contains(out.String(), want) || !strings.Contains(out.String(), `"replayable":true`) {
			t.Errorf("%q: %v: %s", body, err, out.String())
		}
	}
}

func TestExportWritesEveryLetterWhole(t *testing.T) {
	t.Parallel()
	reader := bury(t, newQueue(t, queue.DefaultParams()), "acme", "beta", "acme")
	for name, tt := range map[string]struct {
		filter deadletter.Filter
		want   []string
	}{
		"by tenant": {deadletter.Filter{Tenant: "acme"}, []string{"g0", "g2"}},
		"by text":   {deadletter.Filter{Text: "rejected 1"}, []string{"g1"}},
	} {
		var out bytes.Buffer
		last := int64(0)
		n, err := admin.ExportDead(t.Context(), reader, admin.ExportDeadParams{Filter: tt.filter, Out: &out, Progress: func(done int64) { last = done }})
		if err != nil || int(n) != len(tt.want) || last != n {
			t.Errorf("%s: %d exported, %d told, %v", name, n, last, err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			var l struct {
				RecordID string `json:"record_id"`
				Record   struct {
					ID string `json:"id"`
				}
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.Record.ID != "<g>" {
				t.Errorf("%s: %v in %s", name, err, line)
			}
			got = append(got, l.RecordID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestADropTakesWhatItShowedAndNoMore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		filter    deadletter.Filter
		sequences []uint64
		shown     string
		left      uint64
	}{
		"by subject":         {deadletter.Filter{Tenant: "acme"}, nil, "2 dead letters in all", 3},
		"by text":            {deadletter.Filter{Text: "rejected 1"}, nil, "1 dead letter in all", 4},
		"by number":          {deadletter.Filter{}, []uint64{3, 1, 3, 99}, "2 dead letters in all", 3},
		"everything":         {deadletter.Filter{}, nil, "4 dead letters in all", 1},
		"nothing":            {deadletter.Filter{Tenant: "nobody"}, nil, "no dead letters match", 5},
		"a number that is 0": {deadletter.Filter{}, []uint64{0}, "letter 0: there is none", 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := newQueue(t, queue.DefaultParams())
			reader := bury(t, conn, "acme", "beta", "acme", "gamma")
			plan, err := admin.PlanDrop(t.Context(), reader, tt.filter, tt.sequences)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := plan.Write(&out); err != nil || !strings.Contains(out.String(), tt.shown) {
				t.Errorf("%v: shown:\n%s", err, out.String())
			}
			late := deadletter.Letter{Tenant: "acme", Destination: "main", Reason: outcome.Dropped, Envelope: envelope.Envelope{
				Source: envelope.Source{Stream: "late", Time: time.Unix(0, 1)}, Detail: "rejected 1",
			}}
			if _, err := deadletter.NewWriter(conn, 1<<20).Write(t.Context(), late); err != nil {
				t.Fatal(err)
			}
			if err := plan.Do(t.Context(), reader, nil); err != nil {
				t.Fatal(err)
			}
			if left, err := admin.CountDead(t.Context(), reader, deadletter.Filter{}); err != nil || left != tt.left {
				t.Errorf("%d are left, %v; want %d", left, err, tt.left)
			}
		})
	}
}

func TestAListFitsAScreenAndTellsWhatCantBeReplayed(t *testing.T) {
	t.Parallel()
	conn := newQueue(t, queue.DefaultParams())
	writer, long := deadletter.NewWriter(conn, 1<<20), strings.Repeat("the answer é ", 60)
	withheld := envelope.Envelope{Detail: long, RecordID: strings.Repeat("r", 36), Body: []byte("oops")}
	withheld.Withhold()
	for i, e := range []envelope.Envelope{
		{Detail: long, RecordID: strings.Repeat("r", 36), Body: []byte("{}")}, withheld, {Detail: "no", RecordID: strings.Repeat("r", 100), Body: []byte("{}")},
	} {
		e.Source = envelope.Source{Stream: "S", Sequence: uint64(i), Time: time.Unix(0, 1)} //nolint:gosec // small
		if _, err := writer.Write(t.Context(), deadletter.Letter{Tenant: "acme", Destination: "main", Reason: outcome.Dropped, Envelope: e}); err != nil {
			t.Fatal(err)
		}
	}
	reader := deadletter.NewReader(conn)
	for name, tt := range map[string]struct {
		params admin.ListDeadParams
		want   string
	}{
		"a list":      {admin.ListDeadParams{Filter: deadletter.Filter{RecordID: strings.Repeat("r", 36)}}, "1 of these can't be replayed: nothing but size and SHA-256 is kept"},
		"causes":      {admin.ListDeadParams{By: "cause"}, "…"},
		"a small one": {admin.ListDeadParams{Filter: deadletter.Filter{RecordID: strings.Repeat("r", 100)}}, "  no\n"},
	} {
		got := list(t, reader, tt.params)
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: no %q in:\n%s", name, tt.want, got)
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > 120 && name != "a small one" {
				t.Errorf("%s: %d wide: %s", name, n, line)
			}
		}
	}
}
