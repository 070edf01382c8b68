package registry

import (
	"sync"
	"time"
)

// Loads tells how the loading of destinations has gone, for metrics.
type Loads struct {
	At       time.Time // of the last that is in force
	Failed   bool      // one after it: the last good ones stay in force
	Failures int64     // since the start
	LeftOut  int       // entries with a problem, of those that are in force
}

type loads struct {
	mu   sync.Mutex
	last Loads
}

func (l *loads) failed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last.Failed = true
	l.last.Failures++
}

func (l *loads) succeeded(leftOut int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last.At, l.last.Failed, l.last.LeftOut = time.Now(), false, leftOut
}

// Loads tells how loading has gone.
func (f *Files) Loads() Loads {
	f.loads.mu.Lock()
	defer f.loads.mu.Unlock()
	return f.loads.last
}
