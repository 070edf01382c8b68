// Package intake reads generation records from files and pipes. Layer 3. It
// owns no goroutines.
package intake

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

// DefaultMaxRecord is the longest record in bytes. Far above what a queue
// takes, so that the queue's own limit can be told.
const DefaultMaxRecord = 64 << 20

// Item is one record as it stands in the input, well-formed or not.
type Item struct {
	Line int    // where it begins, from 1
	Data []byte // valid until the next call of Next
	Err  error  // a *TooLong; Data is nil
}

// TooLong is the error of a record over the limit; it was passed over whole.
type TooLong struct{ Limit int }

// Error implements error.
func (e *TooLong) Error() string { return fmt.Sprintf("record: longer than %d bytes", e.Limit) }

// Reader reads NDJSON, one record a line, and JSON documents that are spread
// over lines. Memory is bounded by the longest record.
//
// A line that is no complete JSON value begins a document; where no document
// comes of it, the line is handed out as it is, and reading goes on with the
// next: a line cut short never takes its neighbours with it.
type Reader struct {
	in       *bufio.Reader
	limit    int
	line     int // of what is read next
	err      error
	lineBuf  []byte
	document []byte
}

const bufferSize = 64 << 10

// NewReader reads from r; maxRecord 0 is DefaultMaxRecord.
func NewReader(r io.Reader, maxRecord int) *Reader {
	if maxRecord <= 0 {
		maxRecord = DefaultMaxRecord
	}
	in := bufio.NewReaderSize(r, bufferSize)
	if bom, err := in.Peek(3); err == nil && bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	}
	return &Reader{in: in, limit: maxRecord, line: 1}
}

// Err is what ended reading, nil at the end of the input.
func (r *Reader) Err() error {
	if errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

// Next returns the next record; false at the end, or when reading failed.
func (r *Reader) Next() (Item, bool) {
	for {
		start := r.line
		line, tooLong := r.readLine()
		switch {
		case tooLong:
			return Item{Line: start, Err: &TooLong{r.limit}}, true
		case len(line) == 0 && r.err != nil:
			return Item{}, false
		case len(line) == 0:
			continue
		case complete(line):
			return Item{Line: start, Data: line}, true
		}
		if document := r.readDocument(line); document != nil {
			return Item{Line: start, Data: document}, true
		}
		return Item{Line: start, Data: line}, true
	}
}

// readLine reads one line, trimmed of white space at both ends.
func (r *Reader) readLine() (line []byte, tooLong bool) {
	r.lineBuf = r.lineBuf[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if len(r.lineBuf)+len(part) > r.limit {
			tooLong = true
			r.lineBuf = r.lineBuf[:0]
		}
		if !tooLong {
			r.lineBuf = append(r.lineBuf, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			r.err = err
		}
		r.line++
		return bytes.TrimSpace(r.lineBuf), tooLong
	}
}

// complete reports whether the brackets of a line are balanced, so that it is
// no beginning of a document; whether it is JSON, its decoding tells.
func complete(line []byte) bool {
	if line[0] != '{' && line[0] != '[' {
		return true
	}
	return rawjson.Balanced(line)
}

// readDocument tries line as the first of a document over several lines; nil
// where none comes of it, and then what was read after it is read again.
func (r *Reader) readDocument(first []byte) []byte {
	if r.err != nil {
		return nil // there is no next line
	}
	var seen bytes.Buffer
	rest := &io.LimitedReader{R: io.TeeReader(r.in, &seen), N: int64(r.limit)}
	dec := jsontext.NewDecoder(io.MultiReader(bytes.NewReader(first), newline(), rest),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	value, err := dec.ReadValue()
	if err != nil {
		r.unread(seen.Bytes())
		return nil
	}
	r.document = append(r.document[:0], value...)
	used := int(dec.InputOffset()) - len(first) - 1 // of what was read after the first line
	r.line += bytes.Count(seen.Bytes()[:used], []byte{'\n'})
	r.unread(seen.Bytes()[used:])
	r.skipLineEnd()
	return r.document
}

func newline() io.Reader { return bytes.NewReader([]byte{'\n'}) }

// unread has data read again before what follows it.
func (r *Reader) unread(data []byte) {
	r.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(data)), r.in), bufferSize)
}

// skipLineEnd passes the end of the document's last line, where nothing else
// stands on it.
func (r *Reader) skipLineEnd() {
	for {
		c, err := r.in.ReadByte()
		switch {
		case err != nil:
			r.err = err
			return
		case c == '\n':
			r.line++
			return
		case c != ' ' && c != '\t' && c != '\r':
			_ = r.in.UnreadByte()
			return
		}
	}
}
