package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

// Decode reads one record. The error is a *Malformed: only what identifies a
// record (id, tenant, created_at, model) and JSON that is broken or nested
// deeper than MaxDepth can condemn it. Optional fields of the wrong type are
// left out and listed in Dropped.
func Decode(data []byte) (*Record, error) {
	var f fields
	if err := f.read(data); err != nil {
		return nil, err
	}
	r := &Record{Unknown: f.unknown}
	d := decoder{fields: &f.values, record: r}
	if err := d.identity(); err != nil {
		return nil, err
	}
	d.optional()
	return r, nil
}

// CheckTenant condemns a record whose tenant is not that of its subject.
func (r *Record) CheckTenant(subject string) error {
	if r.Tenant != subject {
		return &Malformed{"tenant", fmt.Sprintf("%q differs from the subject's %q", r.Tenant, subject)}
	}
	return nil
}

// Identity is what a publisher needs to know of a record. A part that can't be
// told is empty.
type Identity struct{ ID, Tenant string }

// Identify reads a record's id and tenant, and checks the JSON as a whole; it
// judges neither. The error is a *Malformed.
func Identify(data []byte) (Identity, error) {
	var f fields
	if err := f.read(data); err != nil {
		return Identity{}, err
	}
	return Identity{ID: identityText(f.values[fieldID]), Tenant: identityText(f.values[fieldTenant])}, nil
}

func identityText(v Value) string {
	if !rawjson.IsString(v) {
		return ""
	}
	return rawjson.String(v)
}

// fields are the raw top-level values of a record by their place in the
// schema; of two keys of one name the last wins.
type fields struct {
	values  [fieldCount]Value
	unknown int
}

var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// readOptions: duplicate names are settled by us, invalid UTF-8 is repaired.
var readOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// read walks the top level of data once; the values stay raw parts of data.
func (f *fields) read(data []byte) error {
	err := f.walk(data)
	if err != nil && bytes.IndexByte(data, 0) >= 0 {
		// A raw NUL within a string is the one breach of JSON that is mended.
		*f = fields{}
		if f.walk(mendNUL(data)) == nil {
			return nil
		}
	}
	return err
}

func (f *fields) walk(data []byte) error {
	dec := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(dec)
	// A decoder over a bytes.Buffer reads in place; offsets are those of data.
	dec.Reset(bytes.NewBuffer(data), readOptions...)
	if kind := dec.PeekKind(); kind != jsontext.KindBeginObject && kind != jsontext.KindInvalid {
		if _, err := dec.ReadValue(); err != nil {
			return syntaxError(err)
		}
		return &Malformed{"record", "not a JSON object"}
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	for dec.PeekKind() == jsontext.KindString {
		key, err := dec.ReadValue()
		if err != nil {
			return syntaxError(err)
		}
		field := fieldOf(key)
		value, err := dec.ReadValue()
		if err != nil {
			return syntaxError(err)
		}
		if field < 0 {
			f.unknown++
			continue
		}
		end := dec.InputOffset()
		f.values[field] = data[end-int64(len(value)) : end : end]
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return &Malformed{"record", fmt.Sprintf("more than one JSON value (at byte %d)", dec.InputOffset())}
	}
	f.dropNulls()
	return nil
}

func (f *fields) dropNulls() {
	for i, v := range f.values {
		if rawjson.IsNull(v) {
			f.values[i] = nil
		}
	}
}

// syntaxError tells where the JSON breaks, without a word of the record.
func syntaxError(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Malformed{"record", "not JSON: it ends too early"}
	case errors.As(err, &syntax) && strings.Contains(syntax.Err.Error(), "depth"):
		return &Malformed{"record", fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
	case errors.As(err, &syntax):
		return &Malformed{"record", fmt.Sprintf("not JSON: broken at byte %d", syntax.ByteOffset)}
	}
	return &Malformed{"record", "not JSON"}
}

// mendNUL replaces the raw NULs within strings by U+FFFD.
func mendNUL(data []byte) []byte {
	out := make([]byte, 0, len(data)+8)
	inString, escaped := false, false
	for _, c := range data {
		switch {
		case c == 0 && inString:
			out = append(out, "\uFFFD"...)
			escaped = false
			continue
		case escaped:
			escaped = false
		case c == '\\':
			escaped = inString
		case c == '"':
			inString = !inString
		}
		out = append(out, c)
	}
	return out
}

// decoder turns raw fields into a Record.
type decoder struct {
	fields *[fieldCount]Value
	record *Record
}

// identity reads what can condemn the record; the tenant last, since a
// publisher may fill it in.
func (d *decoder) identity() error {
	r := d.record
	var err error
	if r.ID, err = d.required(fieldID); err != nil {
		return err
	}
	if problem := checkID(r.ID); problem != "" {
		return &Malformed{"id", problem}
	}
	created, err := d.required(fieldCreatedAt)
	if err != nil {
		return err
	}
	if r.CreatedAt, err = parseTime(created); err != nil {
		return err
	}
	if r.Model, err = d.required(fieldModel); err != nil {
		return err
	}
	if r.Tenant, err = d.required(fieldTenant); err != nil {
		return err
	}
	if !ValidTenant(r.Tenant) {
		return &Malformed{"tenant", "not 1–64 letters, digits, _ or -, beginning with a letter or digit"}
	}
	return nil
}

func (d *decoder) required(f field) (string, error) {
	v := d.fields[f]
	switch {
	case v == nil:
		return "", &Malformed{f.name(), "missing"}
	case !rawjson.IsString(v):
		return "", &Malformed{f.name(), "not a string"}
	}
	s := rawjson.String(v)
	if s == "" {
		return "", &Malformed{f.name(), "empty"}
	}
	return s, nil
}

// checkID says what is wrong with an id, or "". NATS trims header values and
// turns line breaks into spaces, which would make two such ids one.
func checkID(id string) string {
	if len(id) > MaxIDBytes {
		return fmt.Sprintf("%d bytes; at most %d", len(id), MaxIDBytes)
	}
	if strings.TrimSpace(id) != id {
		return "space at an end"
	}
	for _, c := range id {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\uFFFD' {
			return "a control or invalid character"
		}
	}
	return ""
}

// parseTime reads RFC 3339 strictly; the result is UTC, in the years 0–9999. A
// leap second is the first of the next minute.
func parseTime(s string) (time.Time, error) {
	text := []byte(strings.ToUpper(s))
	leap := len(text) > 19 && string(text[17:19]) == "60"
	if leap {
		copy(text[17:19], "59")
	}
	var t time.Time
	if !isRFC3339(text) || t.UnmarshalText(text) != nil {
		return t, &Malformed{"created_at", "not RFC 3339, such as 2026-01-31T23:59:59.123Z"}
	}
	if t = t.UTC(); leap {
		t = t.Add(time.Second)
	}
	if y := t.Year(); y < 0 || y > 9999 {
		return t, &Malformed{"created_at", "not in the years 0–9999"}
	}
	return t, nil
}

// isRFC3339 checks the form alone, which the standard library is lenient about
// in places; the numbers are its business.
func isRFC3339(s []byte) bool {
	const form = "0000-00-00T00:00:00"
	if len(s) <= len(form) || !hasForm(s[:len(form)], form) {
		return false
	}
	rest := s[len(form):]
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n == 1 {
			return false
		}
		rest = rest[n:]
	}
	return string(rest) == "Z" || (hasForm(rest, "+00:00") || hasForm(rest, "-00:00")) && string(rest[1:3]) < "24" && string(rest[4:6]) < "60"
}

// hasForm compares with a form in which 0 stands for any digit.
func hasForm(s []byte, form string) bool {
	if len(s) != len(form) {
		return false
	}
	for i := range len(form) {
		digit := s[i] >= '0' && s[i] <= '9'
		if form[i] == '0' && !digit || form[i] != '0' && s[i] != form[i] {
			return false
		}
	}
	return true
}
