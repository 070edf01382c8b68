// Package admin holds the operator's verbs. Layer 4. It owns no goroutine that
// outlives the call.
package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/intake"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/routing"
)

// MapParams say what to map, by which rules.
type MapParams struct {
	In     io.Reader
	Out    io.Writer // events, NDJSON or pretty
	Errors io.Writer // bad records and warnings, a line each
	// Rules is the destination whose rules apply; nil: no rules, and the name
	// that a destination has where none is given.
	Rules  *destination.Destination
	Pretty bool
	// Explain tells on Errors what the rules did to each record; JSON: as
	// NDJSON, an Explanation a line, bad records and warnings included.
	Explain, JSON bool
}

// MapResult counts what became of the records.
type MapResult struct{ Mapped, Filtered, SampledOut, Bad int }

// Map writes the event of each record. Bad records are reported and passed
// over; what a rule filters or samples out writes nothing. The error is one of
// reading or writing.
func Map(ctx context.Context, p MapParams) (MapResult, error) {
	m := mapper{MapParams: p, out: bufio.NewWriterSize(p.Out, 64<<10)}
	if m.Rules == nil {
		m.Rules = noRules()
	}
	m.JSON = m.JSON && m.Explain
	m.rules = privacy.RulesOf(m.Rules)
	// What is mapped is out before a read that may wait for the next record.
	reader := intake.NewReader(flushFirst{p.In, m.out}, intake.Options{})
	for ctx.Err() == nil {
		item, ok := reader.Next()
		if !ok {
			break
		}
		if err := m.item(item); err != nil {
			return m.result, fmt.Errorf("writing events: %w", err)
		}
	}
	if err := m.out.Flush(); err != nil {
		return m.result, fmt.Errorf("writing events: %w", err)
	}
	if err := reader.Err(); err != nil {
		return m.result, fmt.Errorf("reading records: %w", err)
	}
	return m.result, context.Cause(ctx)
}

// flushFirst writes out what is buffered before each read.
type flushFirst struct {
	in  io.Reader
	out *bufio.Writer
}

func (f flushFirst) Read(p []byte) (int, error) {
	if err := f.out.Flush(); err != nil {
		return 0, err
	}
	return f.in.Read(p)
}

type mapper struct {
	MapParams
	out    *bufio.Writer
	rules  privacy.Rules
	line   []byte
	result MapResult
}

func (m *mapper) item(item intake.Item) error {
	r, err := m.decode(item)
	if err != nil {
		m.result.Bad++
		// What is mapped stands before the report of what is not.
		return errors.Join(m.out.Flush(), m.bad(item.Line, err))
	}
	dropped := droppedOf(r, m.rules)
	if !m.JSON {
		if err := m.warn(item.Line, dropped); err != nil {
			return err
		}
	}
	rules := *m.Rules
	rules.Tenant = r.Tenant // offline, one destination's rules serve every tenant
	d := routing.Decide(r, &rules)
	private, effects := r, []privacy.Effect(nil)
	if d.Deliver() {
		private, effects = m.apply(r)
	}
	if m.Explain {
		e := explained(item.Line, r, d, effects)
		e.Dropped = dropped
		if err := errors.Join(m.out.Flush(), m.explain(e)); err != nil {
			return err
		}
	}
	switch {
	case d.Filter != "":
		m.result.Filtered++
		return nil
	case !d.Deliver():
		m.result.SampledOut++
		return nil
	}
	return m.write(private)
}

// apply applies the privacy rules; what they did is of use only to explain it.
func (m *mapper) apply(r *record.Record) (*record.Record, []privacy.Effect) {
	if m.Explain {
		return privacy.Explain(r, m.rules)
	}
	return privacy.Apply(r, m.rules), nil
}

// bad tells of a record that can't be read.
func (m *mapper) bad(line int, err error) error {
	if !m.JSON {
		return m.report(line, err.Error())
	}
	e := Explanation{Line: line, End: endBad, Problem: err.Error()}
	if malformed, ok := errors.AsType[*record.Malformed](err); ok {
		e.Field, e.Problem = malformed.Field, malformed.Problem
	}
	return m.explain(e)
}

func (m *mapper) warn(line int, dropped []string) error {
	for _, path := range dropped {
		if err := m.report(line, "warning: "+path+": of the wrong type; left out"); err != nil {
			return err
		}
	}
	return nil
}

// maxWarnings bounds the warnings about one record.
const maxWarnings = 20

// oneLine keeps a name of the record's from looking like a report of ours.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

func (m *mapper) decode(item intake.Item) (*record.Record, error) {
	if item.Err != nil {
		return nil, &record.Malformed{Field: "record", Problem: item.Err.Error()}
	}
	return record.Decode(item.Data)
}

func (m *mapper) report(line int, text string) error {
	_, err := fmt.Fprintf(m.Errors, "line %d: %s\n", line, text)
	return err
}

func (m *mapper) write(r *record.Record) error {
	e, _ := mapping.Map(r, m.Rules.Name)
	m.line = e.AppendJSON(m.line[:0])
	line := jsontext.Value(m.line)
	format := line.Compact
	if m.Pretty {
		format = func(opts ...jsontext.Options) error { return line.Indent(append(opts, jsontext.WithIndent("  "))...) }
	}
	// Content is raw and may be spread over lines.
	if err := format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return err
	}
	m.line = line
	if _, err := m.out.Write(line); err != nil {
		return err
	}
	m.result.Mapped++
	return m.out.WriteByte('\n')
}
