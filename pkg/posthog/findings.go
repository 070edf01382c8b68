package posthog

import (
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

const (
	// findingTTL is how long a finding counts: one stray 404 must not keep a
	// destination on the path with the silent drops for ever.
	findingTTL = 10 * time.Minute
	// maxFindings bounds the memory: about 10,000 × 250 B.
	maxFindings = 10_000
)

// finding is something that an endpoint was seen to lack. The key belongs to
// it because a cloud enables paths per project.
type finding struct {
	endpoint, key string
	path          path
	encoding      encoding // "": the path itself
}

// batchOnly is the finding that v1 is not served.
func batchOnly(dest *destination.Destination) finding {
	return finding{endpoint: dest.Endpoint, key: dest.APIKey.Reveal(), path: pathV1}
}

func refusedEncoding(dest *destination.Destination, p path, e encoding) finding {
	return finding{endpoint: dest.Endpoint, key: dest.APIKey.Reveal(), path: p, encoding: e}
}

// findings remembers what endpoints lack, for findingTTL. It is lost with the
// process: learning it again costs one request.
type findings struct {
	now   func() time.Time
	mu    sync.Mutex
	until map[finding]time.Time
}

func newFindings(now func() time.Time) *findings {
	return &findings{now: now, until: make(map[finding]time.Time)}
}

func (f *findings) holds(what finding) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	until, ok := f.until[what]
	if !ok {
		return false
	}
	if f.now().Before(until) {
		return true
	}
	delete(f.until, what)
	return false
}

func (f *findings) note(what finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.until) >= maxFindings {
		f.makeRoom()
	}
	f.until[what] = f.now().Add(findingTTL)
}

func (f *findings) forget(what finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.until, what)
}

// makeRoom drops what has expired among a handful, or else any one: looking at
// all of them for each note would cost more than learning one again.
func (f *findings) makeRoom() {
	const handful = 16
	now, looked := f.now(), 0
	for what, until := range f.until {
		if !now.Before(until) {
			delete(f.until, what)
		}
		if looked++; looked == handful {
			break
		}
	}
	for what := range f.until {
		if len(f.until) < maxFindings {
			return
		}
		delete(f.until, what)
	}
}
