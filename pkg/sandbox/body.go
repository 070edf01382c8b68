package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxDrain is how much of a body that is too large is still read, so that the
// client sees the 413 and not a reset connection.
const maxDrain = 64 << 20

var errTooLarge = errors.New("body is too large")

// readWire reads a body as it is on the wire.
func readWire(r *http.Request, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 {
		buf.Grow(int(min(n, limit)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading body: %w", err)
	}
	if n > limit {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
		return nil, errTooLarge
	}
	return buf.Bytes(), nil
}

// inflater undoes compression; it keeps zstd decoders, which are dear to make.
// With a concurrency of one they have no goroutines.
type inflater struct{ zstd sync.Pool }

// inflate undoes one encoding of v1's. Over limit bytes: errTooLarge.
func (f *inflater) inflate(encoding string, wire []byte, limit int64) ([]byte, error) {
	src := bytes.NewReader(wire)
	switch encoding {
	case "gzip":
		return inflateGzip(wire, limit)
	case "deflate":
		return inflateDeflate(wire, limit)
	case "br":
		return readLimited(brotli.NewReader(src), limit)
	case "zstd":
		return f.inflateZstd(src, limit)
	default:
		return nil, fmt.Errorf("unknown encoding %q", encoding)
	}
}

func inflateGzip(wire []byte, limit int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(wire))
	if err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	return readLimited(r, limit)
}

// inflateDeflate takes zlib where the first byte says so, else raw deflate:
// clients disagree about the word, and PostHog looks, too.
func inflateDeflate(wire []byte, limit int64) ([]byte, error) {
	src := bytes.NewReader(wire)
	if len(wire) == 0 || wire[0] != 0x78 {
		return readLimited(flate.NewReader(src), limit)
	}
	r, err := zlib.NewReader(src)
	if err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	return readLimited(r, limit)
}

func (f *inflater) inflateZstd(src io.Reader, limit int64) ([]byte, error) {
	dec, ok := f.zstd.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)); err != nil {
			return nil, fmt.Errorf("inflating: %w", err)
		}
	}
	defer f.zstd.Put(dec)
	if err := dec.Reset(src); err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	return readLimited(dec, limit)
}

func readLimited(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case int64(len(b)) > limit,
		errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, errTooLarge
	case err != nil:
		return nil, fmt.Errorf("inflating: %w", err)
	}
	return b, nil
}

// gzipMagic begins a gzip stream. Legacy looks for it, whatever the headers say.
var gzipMagic = []byte{0x1f, 0x8b, 8}

// inflateLegacy undoes what legacy undoes: gzip, and nothing else. Any other
// encoding is taken for text, which then can't be read.
func inflateLegacy(r *http.Request, wire []byte, limit int64) ([]byte, error) {
	if saysGzip(r) || bytes.HasPrefix(wire, gzipMagic) {
		return inflateGzip(wire, limit)
	}
	if int64(len(wire)) > limit {
		return nil, errTooLarge
	}
	return wire, nil
}

func saysGzip(r *http.Request) bool {
	compression := r.URL.Query().Get("compression")
	return compression == "gzip" || compression == "gzip-js" ||
		strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip")
}
