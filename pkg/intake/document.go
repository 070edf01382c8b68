package intake

import (
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

var errTooLong = errors.New("the document is too long")

// document tries the input from here on as one JSON value that spans lines. It
// returns where it ends. errTooLong is returned as it is. It reads line by line,
// so that what is no JSON shows on the line where it breaks, and never holds up
// a pipe for more than that. Nested openings bound it: it gives up at 10,000.
func (r *Reader) document() (end int, err error) {
	ahead := &lookahead{source: r.source, limit: r.limit}
	r.decoder.Reset(ahead, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	err = r.decoder.SkipValue()
	switch {
	case ahead.long:
		return 0, errTooLong
	case err != nil:
		return 0, err
	}
	if end = int(r.decoder.InputOffset()); end > r.limit {
		return 0, errTooLong
	}
	return end, nil
}

// lookahead reads lines without consuming them.
type lookahead struct {
	source   *source
	limit    int
	off, end int // handed out; known to be lines
	long     bool
}

// Read implements io.Reader; it returns at most one line.
func (l *lookahead) Read(p []byte) (int, error) {
	if l.off == l.end {
		if err := l.extend(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.source.bytes(l.end)[l.off:])
	l.off += n
	// The decoder of records mends a raw NUL within a string; elsewhere this
	// letter is as wrong as the NUL is.
	for i, c := range p[:n] {
		if c == 0 {
			p[i] = 'x'
		}
	}
	return n, nil
}

func (l *lookahead) extend() error {
	end, long, ok := l.source.line(l.end)
	switch {
	case !ok:
		return io.ErrUnexpectedEOF
	case long || end > l.limit+len("\r\n"):
		l.long = true
		return errTooLong
	}
	l.end = end
	return nil
}
