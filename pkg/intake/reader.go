// Package intake reads records from files and pipes: one a line (NDJSON), or
// JSON documents that span lines. Layer 3: a flow; it starts no goroutine.
package intake

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// DefaultMaxRecord is the largest record, in bytes.
const DefaultMaxRecord = 64 << 20

// Options of a Reader. The zero value is ready to use.
type Options struct {
	MaxRecord int // bytes without the line's end; default DefaultMaxRecord
}

// Item is one record, or what stands in the place of one.
type Item struct {
	Line int // where it begins, from 1
	// Data is the record without white space around it. It is not known to be
	// JSON: decoding it tells. It holds until the next call of Next.
	Data []byte
	Err  error // a *TooLong; Data is then nil
}

// TooLong says that what begins on this line is larger than MaxRecord. A line
// of that size is skipped whole; of a document that spans lines the first line
// is, and reading goes on with the next.
type TooLong struct{ Line, Limit int }

// Error implements error.
func (e *TooLong) Error() string { return fmt.Sprintf("larger than %d bytes", e.Limit) }

// Reader hands out one record after the other.
//
// A line is a record, whatever is in it; blank lines, a byte order mark at the
// start and CR before LF are skipped. Only a line that opens more brackets than
// it closes is tried as the beginning of a document that spans lines: where the
// lines from there on are no JSON value, it is handed out alone and reading
// goes on with the next line, so that a truncated line costs no neighbour. What
// follows such a document on its last line counts as a line of its own.
//
// It reads no further than it must: a line of a pipe is handed out when it is
// there. Memory is bounded by the largest record: its lines are held once, and
// a document that spans lines has each of its strings once more while tried.
type Reader struct {
	source  *source
	limit   int
	line    int // of the next byte
	started bool
	decoder jsontext.Decoder
}

// NewReader reads from r.
func NewReader(r io.Reader, o Options) *Reader {
	if o.MaxRecord <= 0 {
		o.MaxRecord = DefaultMaxRecord
	}
	return &Reader{source: newSource(r, o.MaxRecord), limit: o.MaxRecord, line: 1}
}

// Err is what ended the reading, nil at the end of the input. A last line that
// an error cut off is not handed out.
func (r *Reader) Err() error {
	if r.source.err == nil || r.source.err == io.EOF { //nolint:errorlint // io.Reader's contract: EOF is never wrapped
		return nil
	}
	return fmt.Errorf("reading records: %w", r.source.err)
}

// Next returns the next item; false at the end, or at an error of reading.
func (r *Reader) Next() (Item, bool) {
	r.skipMark()
	for {
		end, long, ok := r.source.line(0)
		if !ok {
			return Item{}, false
		}
		if long {
			r.source.skipLine()
			r.line++
			return r.tooLong(r.line - 1), true
		}
		if data := trim(r.source.bytes(end)); len(data) > 0 {
			return r.item(data, end), true
		}
		r.consume(end)
	}
}

// item makes an item of the line that ends at end, or of the document that
// begins there.
func (r *Reader) item(data []byte, end int) Item {
	first := r.line
	if opens(data) {
		docEnd, err := r.document()
		switch {
		case err == nil:
			end = docEnd
		case errors.Is(err, errTooLong):
			r.consume(end)
			return r.tooLong(first)
		}
	}
	data = trim(r.source.bytes(end)) // the buffer may have moved
	r.consume(end)
	return Item{Line: first, Data: data}
}

func (r *Reader) tooLong(line int) Item {
	return Item{Line: line, Err: &TooLong{Line: line, Limit: r.limit}}
}

// consume steps over bytes that stay valid until the next read.
func (r *Reader) consume(n int) {
	r.line += bytes.Count(r.source.bytes(n), []byte{'\n'})
	r.source.consume(n)
}

// skipMark skips a byte order mark at the start.
func (r *Reader) skipMark() {
	if r.started {
		return
	}
	r.started = true
	if r.source.startsWith(mark) {
		r.source.consume(len(mark))
	}
}

var mark = []byte("\ufeff")

func trim(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }
