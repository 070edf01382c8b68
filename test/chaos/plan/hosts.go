package plan

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// hostSources begins the numbers of the generators of hosts, so that all else
// in a schedule is the same with hosts and without.
const hostSources = 1 << 32

// fullForLong is what it takes for workers to see that nothing is stored any
// more; drawn only in runs that are long enough for it.
const (
	fullForLong      = 20 * time.Second
	longEnoughToFill = 2 * fullForLong
)

// hosts: one thing at a time happens to nodes' hosts, beside what nodes have to
// bear anyway; and now and then one can't reach PostHog.
func (d *drawer) hosts() {
	rng := rand.New(rand.NewPCG(d.seed, hostSources))
	for at := seconds(rng, 1.5, 5); ; {
		s := Step{At: at, Target: d.anyNode(rng)}
		switch roll := rng.IntN(100); {
		case roll < 26:
			s.Verb, s.For = Partition, seconds(rng, 1, 9)
		case roll < 46:
			s.Verb, s.For, s.Fault = OneWay, seconds(rng, 1, 7), either(rng, In, Out)
		case roll < 70:
			s.Verb, s.For = LoseNode, seconds(rng, 0.2, 3)
		case roll < 91:
			s.Verb, s.For = FillDisk, seconds(rng, 1, 6)
		default:
			s.Verb, s.Target, s.For = FillDisks, "all", seconds(rng, 2, 8)
			if d.options.Duration >= longEnoughToFill {
				s.For += fullForLong
			}
		}
		end, ok := d.add(s)
		if !ok {
			break
		}
		at = end + seconds(rng, 1.5, 5)
	}
	rng = rand.New(rand.NewPCG(d.seed, hostSources+1))
	for at := seconds(rng, 2, 8); ; {
		end, ok := d.add(Step{At: at, For: seconds(rng, 2, 9), Verb: Split, Target: d.anyNode(rng), Fault: either(rng, Silent, Reject)})
		if !ok {
			break
		}
		at = end + seconds(rng, 4, 12)
	}
}

func (d *drawer) anyNode(rng *rand.Rand) string {
	return strconv.Itoa(rng.IntN(max(d.options.Nodes, 1)))
}

func either(rng *rand.Rand, a, b string) string {
	if rng.IntN(2) == 0 {
		return a
	}
	return b
}
