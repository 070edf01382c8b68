package ingest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/ingest"
	"github.com/hogcast/hogcast/pkg/record"
)

func TestWhatIsNoTenantsNameBecomesPartOfNoSubject(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.setUp(t, 1)
	seen, err := r.conn.SubscribeSync("hogcast.generations.>")
	if err != nil {
		t.Fatal(err)
	}
	lenient := r.publisher(t, ingest.Options{SkipValidation: true})
	strict := r.publisher(t, ingest.Options{})
	for _, name := range []string{
		"", "*", ">", "a*", "a.b", "a.>", "0.a", "_", "_.closed", "a b", " a", "a ", "a\tb", "a\nb", "a\r\nSUB x 1", "a\x00b", "a\x7fb", "..", "a/b", "-a", "ä", "\u202ea",
		"$JS.API.STREAM.DELETE.X", strings.Repeat("a", 65),
	} {
		if name != "" {
			if p, err := ingest.New(ingest.Options{Conn: r.conn, Tenant: name}); err == nil {
				_ = p.Close(t.Context())
				t.Errorf("%q: a publisher was made", name)
			}
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		rec := []byte(`{"id":"g","tenant":` + string(quoted) + `,"created_at":"2026-01-02T03:04:05Z","model":"m"}`)
		for _, p := range []*ingest.Publisher{lenient, strict} {
			var malformed *record.Malformed
			if err := p.Publish(t.Context(), rec); !errors.As(err, &malformed) || malformed.Field != "tenant" {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if err := r.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := seen.Pending(); err != nil || n != 0 {
		t.Errorf("%d messages were published, %v", n, err)
	}
}
