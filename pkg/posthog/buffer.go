package posthog

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// maxPooledBuffer keeps a rare giant from staying in memory: batches are
// 400 KB, one event at most 480 KB.
const maxPooledBuffer = 1 << 20

// Large is a buffer, of those that are trimmed, from leastPooledBuffer and from
// spareRoom times what it held: one large batch would leave its size to hundreds
// of small ones.
const leastPooledBuffer, spareRoom = 16 << 10, 4

// buffers is a pool of buffers that go back when their last user is done.
type buffers struct {
	pool sync.Pool
	trim bool // those much larger than what they held don't go back
}

// buffer is a pooled slice with a count of its users. http.Transport may read
// a request's body after RoundTrip returned, until it closes the body.
type buffer struct {
	b    []byte
	refs atomic.Int32
	home *buffers
}

// get returns an empty buffer with one user.
func (p *buffers) get() *buffer {
	b, ok := p.pool.Get().(*buffer)
	if !ok {
		b = &buffer{home: p}
	}
	b.b = b.b[:0]
	b.refs.Store(1)
	return b
}

func (b *buffer) release() {
	most := maxPooledBuffer
	if b.home.trim {
		most = min(most, max(leastPooledBuffer, spareRoom*len(b.b)))
	}
	if b.refs.Add(-1) == 0 && cap(b.b) <= most {
		b.home.pool.Put(b)
	}
}

// body makes a request body that reads b. The caller must be a user of b.
func (b *buffer) body() io.ReadCloser {
	b.refs.Add(1)
	return &bodyReader{buf: b, rest: b.b}
}

// attach makes b the body of req, with what the transport needs to send it
// again on another connection where the first had closed unused.
func (b *buffer) attach(req *http.Request) {
	req.ContentLength = int64(len(b.b))
	req.Header.Del("Content-Length") // the transport writes it
	req.Body = b.body()
	req.GetBody = func() (io.ReadCloser, error) { return b.body(), nil }
}

// bodyReader reads a buffer until it is closed. Close waits for a Read that is
// under way, so that no byte of the next user's content can be read here. It
// offers no WriterTo: that would hold the lock while the network blocks.
type bodyReader struct {
	mu   sync.Mutex
	buf  *buffer // nil once closed
	rest []byte
}

func (r *bodyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buf == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *bodyReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buf != nil {
		r.buf.release()
		r.buf, r.rest = nil, nil
	}
	return nil
}
