package sandbox

import "sync"

// Match chooses requests by key and path; an empty field is any. The slash at
// the end of a path makes no difference. On the legacy paths and /flags the key
// stands in the body: there a rule with a key is asked only after those without
// one, and a Reset it plays comes when the body has been read.
type Match struct {
	APIKey string
	Path   string
}

func (m Match) fits(path, key string) bool {
	return (m.Path == "" || m.Path == path) && (m.APIKey == "" || m.APIKey == key)
}

func (m Match) normal() Match {
	if m.Path != "" {
		m.Path = "/" + trimSlash(m.Path)[min(1, len(trimSlash(m.Path))):]
	}
	return m
}

// faults are the rules, in the order in which they were made.
type faults struct {
	mu    sync.Mutex
	rules []*rule
}

type rule struct {
	match  Match
	script []Fault
	always *Fault
}

// Script plays the faults on the next matching requests, one each, in order;
// then service is normal again. More of the same match is put behind. The first
// rule that has a fault for a request plays it; of one rule, the script comes
// before the Always.
func (s *Server) Script(match Match, script ...Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	r := s.faults.rule(match.normal())
	r.script = append(r.script, script...)
}

// Always plays a fault on every matching request until Clear, or until another
// Always of the same match takes its place.
func (s *Server) Always(match Match, fault Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.rule(match.normal()).always = &fault
}

// Clear ends what Script and Always have said of exactly this match. A request
// that waits already is not woken.
func (s *Server) Clear(match Match) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	r := s.faults.rule(match.normal())
	r.script, r.always = nil, nil
}

// Remaining is the number of scripted faults that no request has met yet.
func (s *Server) Remaining() int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	n := 0
	for _, r := range s.faults.rules {
		n += len(r.script)
	}
	return n
}

// rule finds or makes the rule of a match. The caller holds the lock.
func (f *faults) rule(match Match) *rule {
	for _, r := range f.rules {
		if r.match == match {
			return r
		}
	}
	r := &rule{match: match}
	f.rules = append(f.rules, r)
	return r
}

// next is the fault that a request meets, or nil.
func (f *faults) next(path, key string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if !r.match.fits(path, key) {
			continue
		}
		if len(r.script) > 0 {
			fault := r.script[0]
			r.script = r.script[1:]
			return &fault
		}
		if r.always != nil {
			return r.always
		}
	}
	return nil
}
