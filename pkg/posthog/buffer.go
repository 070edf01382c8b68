package posthog

import (
	"io"
	"math/bits"
	"net/http"
	"sync"
	"sync/atomic"
)

// Pooled buffers are of 4 KB to 1 MB, each size twice the one before: of hundreds
// that are sent at once few are large, and those stay few. Batches are 400 KB,
// one event at most 480 KB; what is larger is not kept.
const leastBuffer, bufferSizes = 12, 9 // the binary logarithm of the smallest; how many

// buffers are pools of buffers, one a size, that go back when their last user is done.
type buffers struct{ pools [bufferSizes]sync.Pool }

// buffer is a pooled slice with a count of its users. http.Transport may read
// a request's body after RoundTrip returned, until it closes the body.
type buffer struct {
	b    []byte
	refs atomic.Int32
	home *buffers
}

// get returns an empty buffer with room for n bytes, and one user.
func (p *buffers) get(n int) *buffer {
	size := max(0, bits.Len(uint(max(n, 1)-1))-leastBuffer)
	if size >= bufferSizes {
		return p.made(n)
	}
	b, ok := p.pools[size].Get().(*buffer)
	if !ok {
		return p.made(1 << (size + leastBuffer))
	}
	b.b = b.b[:0]
	b.refs.Store(1)
	return b
}

func (p *buffers) made(room int) *buffer {
	b := &buffer{b: make([]byte, 0, room), home: p}
	b.refs.Store(1)
	return b
}

func (b *buffer) release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	// It may have grown.
	if size := bits.Len(uint(cap(b.b))) - 1 - leastBuffer; size >= 0 && size < bufferSizes {
		b.home.pools[size].Put(b)
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
