package pipeline

import (
	"sync"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/privacy"
)

// maxCompiled bounds the compiled privacy rules that are kept, as the weight of
// what they are made of: an expression of one's own takes some 10 KB, a
// metadata key 50 bytes. 4096 × 10 KB ≈ 40 MB at the utmost.
const maxCompiled = 4096

// compiledRules keeps the privacy rules of destinations, compiled once for each
// of their revisions.
type compiledRules struct {
	mu     sync.RWMutex
	rules  map[destination.ID]compiled
	weight int
}

type compiled struct {
	of     *destination.Destination
	rules  privacy.Rules
	weight int
}

// of returns a destination's rules.
func (c *compiledRules) of(to *destination.Destination) privacy.Rules {
	if !to.Private() {
		return privacy.Rules{}
	}
	c.mu.RLock()
	have, ok := c.rules[to.ID]
	c.mu.RUnlock()
	if ok && have.of == to {
		return have.rules
	}
	made := compiled{of: to, rules: privacy.RulesOf(to), weight: weightOf(to)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(to.ID, made)
	return made.rules
}

// put takes rules in, and any others out, while they are too many.
func (c *compiledRules) put(id destination.ID, made compiled) {
	if c.rules == nil {
		c.rules = make(map[destination.ID]compiled)
	}
	c.weight += made.weight - c.rules[id].weight
	c.rules[id] = made
	for other, old := range c.rules {
		if c.weight <= maxCompiled {
			return
		}
		if other != id {
			c.weight -= old.weight
			delete(c.rules, other)
		}
	}
}

func weightOf(to *destination.Destination) int {
	keys := len(to.Privacy.Metadata.Allow) + len(to.Privacy.Metadata.Deny)
	weight := 1 + keys/200
	for _, p := range to.Privacy.Redact {
		if p.Expr != "" {
			weight++
		}
	}
	return weight
}

// rulesOf returns the privacy rules of the day of a destination: whatever it
// was when its branch began, nothing is stored or sent under rules that are no
// longer in force.
func (h *Handler) rulesOf(to *destination.Destination) privacy.Rules {
	if now := h.Registry.Current().Get(to.ID); now != nil {
		to = now
	}
	return h.compiled.of(to)
}
