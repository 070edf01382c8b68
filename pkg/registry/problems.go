package registry

import (
	"sync"
)

// EntryProblem is an entry that is not in force as it stands.
type EntryProblem struct {
	Where    string `json:"where"` // file:line, or bucket/key
	Problem  string `json:"problem"`
	Revision uint64 `json:"revision,omitempty"` // of the bucket
	// LastGood: an earlier version is in force; of files it is not told.
	LastGood bool `json:"last_good,omitempty"`
}

// problems are those of now.
type problems struct {
	mu  sync.Mutex
	all []EntryProblem
}

func (p *problems) set(all []EntryProblem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = all
}

func (p *problems) list() []EntryProblem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}
