package ingest_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/hogcast/hogcast/pkg/ingest"
	"github.com/hogcast/hogcast/pkg/record"
)

const rest = `"id":"x","created_at":"2026-01-31T23:59:59Z","model":"m"`

func TestTheTenantIsGivenToRecordsWithoutOne(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stream(t, nil)
	p := r.publisher(t, ingest.Options{Tenant: "acme"})
	for name, c := range map[string]struct{ in, want string }{
		"missing":            {`{"id":"1",` + rest[9:] + `}`, `{"id":"1",` + rest[9:] + `,"tenant":"acme"}`},
		"white space at end": {"{\"id\":\"2\"," + rest[9:] + " \n} \r\n", "{\"id\":\"2\"," + rest[9:] + `,"tenant":"acme"}`},
		"null":               {`{"tenant":null,"id":"3",` + rest[9:] + `}`, `{"tenant":null,"id":"3",` + rest[9:] + `,"tenant":"acme"}`},
		"a number":           {`{"tenant":7,"id":"4",` + rest[9:] + `}`, `{"tenant":7,"id":"4",` + rest[9:] + `,"tenant":"acme"}`},
		"empty":              {`{"tenant":"","id":"5",` + rest[9:] + `}`, `{"tenant":"","id":"5",` + rest[9:] + `,"tenant":"acme"}`},
		"an object at end":   {`{"id":"6",` + rest[9:] + `,"trace":{}}`, `{"id":"6",` + rest[9:] + `,"trace":{},"tenant":"acme"}`},
		"there already":      {`{"tenant":"acme","id":"7",` + rest[9:] + `}`, `{"tenant":"acme","id":"7",` + rest[9:] + `}`},
	} {
		in := []byte(c.in)
		if err := p.Publish(t.Context(), in); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if string(in) != c.in {
			t.Errorf("%s: the caller's bytes were changed to %s", name, in)
		}
		all := r.stored(t)
		last := all[len(all)-1]
		if diff := cmp.Diff(c.want, string(last.Data)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		if decoded, err := record.Decode(last.Data); err != nil || decoded.Tenant != "acme" {
			t.Errorf("%s: decoded as %+v, %v", name, decoded, err)
		}
	}
}

func TestSubjectAndHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stream(t, nil)
	p := r.publisher(t, ingest.Options{})
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for i, given := range []string{traceparent, "no traceparent", strings.Repeat("0", 55)} {
		if err := p.Publish(t.Context(), rec("t-1", i), ingest.WithTraceparent(given)); err != nil {
			t.Fatal(err)
		}
	}
	want := []nats.Header{
		{"Nats-Msg-Id": {"t-1/gen-0"}, "traceparent": {traceparent}},
		{"Nats-Msg-Id": {"t-1/gen-1"}},
		{"Nats-Msg-Id": {"t-1/gen-2"}},
	}
	var got []nats.Header
	for _, m := range r.stored(t) {
		// A direct get adds its own.
		maps.DeleteFunc(m.Header, func(key string, _ []string) bool {
			return strings.HasPrefix(key, "Nats-") && key != "Nats-Msg-Id"
		})
		got = append(got, m.Header)
		if m.Subject != "hogcast.generations.t-1" {
			t.Errorf("subject = %s", m.Subject)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatNoWorkerCouldDeliverIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	r := newRig(t) // without a stream: nothing gets as far as that
	for name, c := range map[string]struct{ tenant, in, field string }{
		"no JSON":               {"", `{"id":`, "record"},
		"no object":             {"", `[1]`, "record"},
		"no id":                 {"", `{"tenant":"a","created_at":"2026-01-31T23:59:59Z","model":"m"}`, "id"},
		"an id NATS would trim": {"", `{"id":"x ","tenant":"a","created_at":"2026-01-31T23:59:59Z","model":"m"}`, "id"},
		"no tenant":             {"", `{` + rest + `}`, "tenant"},
		"no tenant's name":      {"", `{"tenant":"a.b",` + rest + `}`, "tenant"},
		"another tenant":        {"acme", `{"tenant":"other",` + rest + `}`, "tenant"},
		"another no name":       {"acme", `{"tenant":"a.b",` + rest + `}`, "tenant"},
		"no model":              {"acme", `{"id":"x","created_at":"2026-01-31T23:59:59Z"}`, "model"},
		"an empty object":       {"acme", `{ }`, "id"},
	} {
		p := r.publisher(t, ingest.Options{Tenant: c.tenant})
		called := false
		err := p.Send(t.Context(), []byte(c.in), func(ingest.Result) { called = true })
		var bad *record.Malformed
		if !errors.As(err, &bad) || bad.Field != c.field {
			t.Errorf("%s: %v, want a *record.Malformed of %s", name, err, c.field)
		}
		if called {
			t.Errorf("%s: the callback was called for a record that was not taken", name)
		}
	}
}

func TestSkipValidationPublishesAsIs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stream(t, nil)
	p := r.publisher(t, ingest.Options{Tenant: "acme", SkipValidation: true})
	for _, c := range []struct{ in, want, id string }{
		{`{"id":`, `{"id":`, ""},
		{`[1]`, `[1]`, ""},
		{`{}`, `{"tenant":"acme"}`, ""},
		{`{"id":"a"}`, `{"id":"a","tenant":"acme"}`, "acme/a"},
		{`{"id":"a "}`, `{"id":"a ","tenant":"acme"}`, ""},
		{`{"id":"a\nb"}`, `{"id":"a\nb","tenant":"acme"}`, ""},
	} {
		if err := p.Publish(t.Context(), []byte(c.in)); err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		all := r.stored(t)
		last := all[len(all)-1]
		if string(last.Data) != c.want || last.Header.Get("Nats-Msg-Id") != c.id {
			t.Errorf("%s: stored %s with id %q, want %s with %q", c.in, last.Data, last.Header.Get("Nats-Msg-Id"), c.want, c.id)
		}
	}
	var bad *record.Malformed
	if err := p.Publish(t.Context(), []byte(`{"tenant":"other"}`)); !errors.As(err, &bad) {
		t.Errorf("another tenant: %v", err)
	}
	none := r.publisher(t, ingest.Options{SkipValidation: true})
	if err := none.Publish(t.Context(), []byte(`{"id":"a","tenant":"a.>"}`)); !errors.As(err, &bad) {
		t.Errorf("a tenant that is no token of a subject: %v", err)
	}
}

func TestTooLargeIsRefusedWithSizes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stream(t, nil)
	p := r.publisher(t, ingest.Options{})
	const limit = 1<<20 - 64<<10
	fit := `{"tenant":"a",` + rest + `,"prompt":"`
	fit += strings.Repeat("x", limit-len(fit)-2) + `"}`
	if err := p.Publish(t.Context(), []byte(fit)); err != nil {
		t.Errorf("of just the limit: %v", err)
	}
	err := p.Publish(t.Context(), []byte(fit+" "))
	if !errors.Is(err, ingest.ErrTooLarge) || !strings.Contains(err.Error(), "983041 bytes; at most 983040 (max_payload 1048576 ") {
		t.Errorf("one byte more: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, o := range map[string]ingest.Options{
		"no connection":      {},
		"no tenant's name":   {Conn: r.conn, Tenant: "a.b"},
		"a limit below zero": {Conn: r.conn, MaxInFlight: -1},
	} {
		if p, err := ingest.New(o); err == nil {
			t.Errorf("%s: no error", name)
			_ = p.Close(context.Background())
		}
	}
}
