package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hogcast/hogcast/pkg/audit"
)

// Note writes a record to the audit trail.
func Note(ctx context.Context, trail *audit.Trail, r audit.Record) error {
	if r.At.IsZero() {
		r.At = time.Now()
	}
	id := strings.Join([]string{string(r.Action), r.Tenant, r.Destination, strconv.FormatInt(r.At.UnixNano(), 10)}, "/")
	// What was done stays done when somebody is in a hurry.
	return trail.Append(context.WithoutCancel(ctx), id, r)
}

// AuditParams say what of the trail to show.
type AuditParams struct {
	Query audit.Query
	JSON  bool // a line for each
	// Within is how far back Query.Since is, as it was asked for; "" for all.
	Within string
	Out    io.Writer
}

// Audit shows what people have done, newest last.
func Audit(ctx context.Context, trail *audit.Trail, p AuditParams) error {
	shown := 0
	err := trail.Read(ctx, p.Query, func(r audit.Record) error {
		shown++
		if p.JSON {
			return encoder(p.Out).Encode(r)
		}
		return writeDeed(p.Out, r)
	})
	if err != nil || p.JSON || shown > 0 {
		return err
	}
	if p.Within == "" {
		_, err = fmt.Fprintln(p.Out, "nothing in the audit trail matches")
		return err
	}
	_, err = fmt.Fprintf(p.Out, "nothing in the audit trail matches since %s; --since 365d looks further back\n", p.Within)
	return err
}

// writeDeed writes one record: who, when and what in a line, then what changed.
func writeDeed(out io.Writer, r audit.Record) error {
	about := []string{}
	if r.Tenant != "" {
		about = append(about, strings.TrimSuffix(r.Tenant+"."+r.Destination, "."))
	}
	if r.Subject != "" {
		about = append(about, r.Subject)
	}
	if r.Revision != 0 {
		about = append(about, fmt.Sprintf("revision %d", r.Revision))
	}
	fmt.Fprintf(out, "%s  %-20s  %-20s  %s\n", stamp(r.At), visible(dash(r.By)), dash(visible(string(r.Action))), visible(strings.Join(about, ", ")))
	if r.Note != "" {
		fmt.Fprintf(out, "    %s\n", visible(r.Note))
	}
	return writeChanges(out, "    ", changesOfJSON(r.Before, r.After))
}

// visible takes from a text what would move a terminal's cursor, or turn the
// order of its characters round.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// changesOfJSON compares the masked settings of a record. Those of a new
// destination, and of one that is gone, are not repeated.
func changesOfJSON(before, after json.RawMessage) []SettingChange {
	if len(before) == 0 || len(after) == 0 || bytes.Equal(before, []byte("null")) || bytes.Equal(after, []byte("null")) {
		return nil
	}
	return compare(flatten(before), flatten(after))
}
