package pipeline

import "sync"

// doneBranches remembers which branches of a record are done while others have
// to come again, so that a redelivery to this worker sends none twice. Bounded:
// what is forgotten is sent again with the same uuid.
type doneBranches struct {
	mu   sync.Mutex
	done map[string]map[string]bool // source → destinations
}

const maxDoneRecords = 20_000

// add notes a branch; a record of one branch has nothing to remember.
func (b *doneBranches) add(j *job, destination string) {
	if j.branches < 2 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done == nil || len(b.done) >= maxDoneRecords {
		b.done = make(map[string]map[string]bool)
	}
	key := j.source.String()
	if b.done[key] == nil {
		b.done[key] = make(map[string]bool, 1)
	}
	b.done[key][destination] = true
}

func (b *doneBranches) has(j *job, destination string) bool {
	if j.branches < 2 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done[j.source.String()][destination]
}

func (b *doneBranches) forget(j *job) {
	if j.branches < 2 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.done, j.source.String())
}
