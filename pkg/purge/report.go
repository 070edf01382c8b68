package purge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Tally counts what a place has. Of a whole tenant only Found, Erased and Left
// are counted.
type Tally struct {
	Found      uint64 `json:"found"` // the tenant's, or the user's
	Unreadable uint64 `json:"unreadable"`
	Hashed     uint64 `json:"hashed"` // under a key that is not known here
	Erased     uint64 `json:"erased"` // of all three
	Left       uint64 `json:"left"`   // of Found, by a second count
}

func (t *Tally) add(v verdict) {
	switch v {
	case theirs:
		t.Found++
	case unreadable:
		t.Unreadable++
	case hashed:
		t.Hashed++
	case others:
	}
}

// Place is a place and what it has.
type Place struct {
	Name string `json:"place"`
	Tally
}

// Report is what was found, or erased.
type Report struct {
	Tenant string   `json:"tenant"`
	User   string   `json:"user_sha256,omitempty"` // see UserMark
	Places []Place  `json:"places"`
	Total  Tally    `json:"total"`
	DryRun bool     `json:"dry_run"`
	Notes  []string `json:"notes"`
}

// UserMark stands for a user's id in what is kept of an erasure: the first 16
// hex digits of the SHA-256 of `<tenant>/<user>`.
func UserMark(tenant, user string) string {
	sum := sha256.Sum256([]byte(tenant + "/" + user))
	return hex.EncodeToString(sum[:8])
}

// Sum adds the places up.
func (r *Report) Sum() Tally {
	var t Tally
	for _, p := range r.Places {
		t.Found += p.Found
		t.Unreadable += p.Unreadable
		t.Hashed += p.Hashed
		t.Erased += p.Erased
		t.Left += p.Left
	}
	return t
}

// Recount enters what a second count has found. A record that can't be told
// counts as it is then.
func (r *Report) Recount(again *Report) {
	for _, now := range again.Places {
		found := false
		for i := range r.Places {
			if p := &r.Places[i]; p.Name == now.Name {
				p.Left, p.Unreadable, p.Hashed = now.Found, now.Unreadable, now.Hashed
				found = true
			}
		}
		if !found {
			r.Places = append(r.Places, Place{Name: now.Name, Tally: Tally{Left: now.Found, Unreadable: now.Unreadable, Hashed: now.Hashed}})
		}
	}
}

// WriteFound shows what would go.
func (r *Report) WriteFound(out io.Writer) error {
	return r.write(out, []column{
		{"FOUND", func(t Tally) uint64 { return t.Found }, true},
		{"UNREADABLE", func(t Tally) uint64 { return t.Unreadable }, r.User != ""},
		{"HASHED", func(t Tally) uint64 { return t.Hashed }, r.User != ""},
	})
}

// WriteErased shows what went, and what is there now.
func (r *Report) WriteErased(out io.Writer) error {
	return r.write(out, []column{
		{"ERASED", func(t Tally) uint64 { return t.Erased }, true},
		{"LEFT", func(t Tally) uint64 { return t.Left }, true},
		{"UNREADABLE", func(t Tally) uint64 { return t.Unreadable }, r.User != ""},
		{"HASHED", func(t Tally) uint64 { return t.Hashed }, r.User != ""},
	})
}

type column struct {
	head  string
	of    func(Tally) uint64
	shown bool
}

func (r *Report) write(out io.Writer, columns []column) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name string, cell func(column) string) {
		for _, c := range columns {
			if c.shown {
				name += "\t" + cell(c)
			}
		}
		fmt.Fprintln(table, name)
	}
	line("PLACE", func(c column) string { return c.head })
	for _, p := range r.Places {
		line(p.Name, func(c column) string { return fmt.Sprint(c.of(p.Tally)) })
	}
	sum := r.Sum()
	line("in all", func(c column) string { return fmt.Sprint(c.of(sum)) })
	return table.Flush()
}

// Note is the erasure in a line, for the audit trail: no id of a user.
func (r *Report) Note() string {
	what := "everything of the tenant"
	if r.User != "" {
		what = "records of the user with the mark " + r.User
	}
	parts := []string{}
	for _, p := range r.Places {
		if p.Erased > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", p.Name, p.Erased))
		}
	}
	sum := r.Sum()
	note := fmt.Sprintf("%s: %d erased", what, sum.Erased)
	if len(parts) > 0 {
		note += " (" + strings.Join(parts, ", ") + ")"
	}
	if sum.Unreadable+sum.Hashed > 0 {
		note += fmt.Sprintf("; %d unreadable and %d hashed ones could not be told and stay", sum.Unreadable, sum.Hashed)
	}
	return note
}
