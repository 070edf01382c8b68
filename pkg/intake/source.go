package intake

import (
	"bytes"
	"io"
)

const (
	firstBuffer = 64 << 10
	// maxEmptyReads bounds a reader that returns neither bytes nor an error.
	maxEmptyReads = 100
)

// source is the input's next bytes. Its buffer grows to what is asked for, at
// most the limit and a line's end.
type source struct {
	r          io.Reader
	limit      int
	buf        []byte
	start, end int
	err        error // of r; io.EOF at the end
}

func newSource(r io.Reader, limit int) *source {
	return &source{r: r, limit: limit, buf: make([]byte, min(firstBuffer, limit+len("\r\n")+1))}
}

// bytes are the next n bytes, which are there.
func (s *source) bytes(n int) []byte { return s.buf[s.start : s.start+n] }

func (s *source) consume(n int) { s.start += n }

// line finds the line that begins at from, counted as end from the next byte:
// it returns the index behind its end. long: the line is there, but over the
// limit, and its end was not looked for. ok is false at the end of the input
// or at an error.
func (s *source) line(from int) (end int, long, ok bool) {
	for seen := from; ; {
		if n := bytes.IndexByte(s.buf[s.start+seen:s.end], '\n'); n >= 0 {
			end = seen + n + 1
			return end, len(bytes.TrimRight(s.bytes(end)[from:], "\r\n")) > s.limit, true
		}
		seen = s.end - s.start
		switch {
		case seen-from > s.limit+1, seen > 2*s.limit+2:
			return 0, true, true
		case s.fill():
		case s.err == io.EOF && seen > from: //nolint:errorlint // io.Reader's contract: EOF is never wrapped
			return seen, seen-from > s.limit, true
		default:
			return 0, false, false
		}
	}
}

// skipLine consumes the line that begins here, however long.
func (s *source) skipLine() {
	for {
		if n := bytes.IndexByte(s.buf[s.start:s.end], '\n'); n >= 0 {
			s.consume(n + 1)
			return
		}
		s.consume(s.end - s.start)
		if !s.fill() {
			return
		}
	}
}

func (s *source) startsWith(prefix []byte) bool {
	for {
		have := s.buf[s.start:s.end]
		switch {
		case len(have) >= len(prefix):
			return bytes.HasPrefix(have, prefix)
		case !bytes.HasPrefix(prefix, have), !s.fill():
			return false
		}
	}
}

// fill reads once; false when no more bytes come.
func (s *source) fill() bool {
	if s.err != nil {
		return false
	}
	s.makeRoom()
	for range maxEmptyReads {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// makeRoom moves what is left to the front where half of the buffer is spent,
// and doubles a full one.
func (s *source) makeRoom() {
	left := s.end - s.start
	switch {
	case left == 0:
		s.start, s.end = 0, 0
	case s.end < len(s.buf):
	case left <= len(s.buf)/2:
		copy(s.buf, s.buf[s.start:s.end])
		s.start, s.end = 0, left
	default:
		bigger := make([]byte, 2*len(s.buf))
		copy(bigger, s.buf[s.start:s.end])
		s.buf, s.start, s.end = bigger, 0, left
	}
}
