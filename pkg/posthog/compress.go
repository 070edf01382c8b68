package posthog

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// encoding is a Content-Encoding; none sends no such header.
type encoding string

const (
	encZstd encoding = "zstd"
	encGzip encoding = "gzip"
	encNone encoding = "none"
)

// zstdWindow covers a whole batch of the usual size (400 KB) and keeps an
// encoder at about 2 MB.
const zstdWindow = 512 << 10

// scratch is where a body is rendered and packed.
type scratch struct{ raw, packed []byte }

// maxScratch keeps a rare giant from staying in memory: batches are 400 KB, one
// event at most 480 KB.
const maxScratch = 1 << 20

// trimmed is s, or another where it has grown too large.
func (s *scratch) trimmed() *scratch {
	if cap(s.raw) > maxScratch || cap(s.packed) > maxScratch {
		return new(scratch)
	}
	return s
}

// packer compresses whole bodies, each codec at its fastest level: on batches
// of LLM records zstd is both smaller and faster than gzip (BenchmarkCompress).
type packer struct {
	zstd *zstd.Encoder // as many inner encoders as processors
	gzip sync.Pool
}

func newPacker() (*packer, error) {
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
		zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderCRC(false)) // TCP and TLS have sums of their own
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	p := &packer{zstd: z}
	p.gzip.New = func() any {
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		_ = err // the level is a constant of the package
		return w
	}
	return p, nil
}

// pack appends the encoded form of raw to dst.
func (p *packer) pack(dst []byte, e encoding, raw []byte) ([]byte, error) {
	switch e {
	case encZstd:
		return p.zstd.EncodeAll(raw, dst), nil
	case encGzip:
		return p.packGzip(dst, raw)
	case encNone:
	}
	return append(dst, raw...), nil
}

func (p *packer) packGzip(dst, raw []byte) ([]byte, error) {
	w, _ := p.gzip.Get().(*gzip.Writer)
	defer p.gzip.Put(w)
	out := sliceWriter{dst}
	w.Reset(&out)
	if _, err := w.Write(raw); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return out.b, nil
}

func (p *packer) close() { _ = p.zstd.Close() }

// sliceWriter appends what is written; it never fails.
type sliceWriter struct{ b []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}
