package ingest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/record"
)

// headerReserve is the part of max_payload that a move of the record needs for
// its headers.
const headerReserve = 64 << 10

// PublishOption is an option of one record.
type PublishOption func(*flight)

// WithTraceparent sends a W3C traceparent along, which workers continue. One of
// another form is left out: it must not cost the record.
func WithTraceparent(traceparent string) PublishOption {
	return func(f *flight) {
		if isTraceparent(traceparent) {
			f.header["traceparent"] = []string{traceparent}
		}
	}
}

// isTraceparent looks for version-trace-parent-flags in hexadecimal digits.
func isTraceparent(s string) bool {
	if len(s) != len("00-")+32+len("-")+16+len("-00") {
		return false
	}
	for i := range len(s) {
		dash := i == 2 || i == 35 || i == 52
		if dash != (s[i] == '-') || !dash && !strings.ContainsRune("0123456789abcdef", rune(s[i])) {
			return false
		}
	}
	return true
}

// prepare refuses what no worker could deliver, and makes the message.
func (p *Publisher) prepare(rec []byte, opts []PublishOption) (*flight, error) {
	id, data, err := p.check(rec)
	if err != nil {
		return nil, err
	}
	if limit := p.options.Conn.MaxPayload(); limit > 0 && int64(len(data)) > limit-headerReserve {
		return nil, p.tooLarge(int64(len(data)))
	}
	f := &flight{id: id.ID, tenant: id.Tenant, data: data, header: nats.Header{}}
	if f.id != "" && fitsHeader(f.id) {
		f.header[jetstream.MsgIDHeader] = []string{f.tenant + "/" + f.id}
	}
	for _, set := range opts {
		set(f)
	}
	return f, nil
}

func (p *Publisher) tooLarge(size int64) error {
	limit := p.options.Conn.MaxPayload()
	return fmt.Errorf("%w: %d bytes; at most %d (max_payload %d less 64 KiB)",
		ErrTooLarge, size, max(0, limit-headerReserve), limit)
}

// check tells the record's identity, and the bytes to publish.
func (p *Publisher) check(rec []byte) (record.Identity, []byte, error) {
	tenant := p.options.Tenant
	if p.options.SkipValidation {
		return p.checkTenant(rec)
	}
	if tenant != "" {
		var err error
		if _, rec, err = p.checkTenant(rec); err != nil {
			return record.Identity{}, nil, err
		}
	}
	r, err := record.Decode(rec)
	if err != nil {
		return record.Identity{}, nil, err
	}
	return record.Identity{ID: r.ID, Tenant: r.Tenant}, rec, nil
}

// checkTenant gives a record without tenant the Publisher's, and refuses one of
// another tenant, or of none that can be told.
func (p *Publisher) checkTenant(rec []byte) (record.Identity, []byte, error) {
	tenant := p.options.Tenant
	id, err := record.Identify(rec)
	switch {
	case err != nil && p.options.SkipValidation && tenant != "":
		return record.Identity{Tenant: tenant}, rec, nil
	case err != nil:
		return id, nil, err
	case tenant == "" && !record.ValidTenant(id.Tenant):
		return id, nil, &record.Malformed{Field: "tenant", Problem: "missing or no tenant's name"}
	case tenant == "":
		return id, rec, nil
	case id.Tenant == "":
		id.Tenant = tenant
		return id, withTenant(rec, tenant), nil
	}
	return id, rec, (&record.Record{Tenant: id.Tenant}).CheckTenant(tenant)
}

// withTenant appends the member to a JSON object; a tenant that stands there,
// null or of another type, gives way to it, because of two members of one name
// the last counts. The rest stays as it is, byte for byte.
func withTenant(object []byte, tenant string) []byte {
	const space = " \t\r\n"
	body := bytes.TrimRight(bytes.TrimSuffix(bytes.TrimRight(object, space), []byte("}")), space)
	out := make([]byte, 0, len(body)+len(`,"tenant":""}`)+len(tenant))
	out = append(out, body...)
	// Only an empty object has its opening brace there.
	if body[len(body)-1] != '{' {
		out = append(out, ',')
	}
	out = append(out, `"tenant":"`...)
	out = append(out, tenant...)
	return append(out, `"}`...)
}

// fitsHeader reports whether an id stays itself in a header, whose ends NATS
// trims and whose line breaks become spaces: two ids must never become one.
// Only SkipValidation lets an unfit one come here.
func fitsHeader(id string) bool {
	return len(id) <= record.MaxIDBytes && strings.TrimSpace(id) == id &&
		!strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c == 0x7f })
}
