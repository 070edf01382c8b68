package plan

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/hogcast/hogcast/test/chaos/load"
)

// drawer draws each source of faults from a generator of its own, so that a
// new destination or verb in one leaves the others' schedules alone.
type drawer struct {
	options Options
	seed    uint64
	sources uint64
	steps   []Step
}

func (d *drawer) source() *rand.Rand {
	d.sources++
	return rand.New(rand.NewPCG(d.seed, d.sources))
}

// add adds a step, cut at the end of the run, and returns when it ends; false
// where it would begin too late to matter.
func (d *drawer) add(s Step) (end time.Duration, ok bool) {
	const least = 300 * time.Millisecond
	if s.At+least > d.options.Duration {
		return 0, false
	}
	s.For = min(s.For, d.options.Duration-s.At)
	d.steps = append(d.steps, s)
	return s.End(), true
}

// between draws a duration, to the millisecond.
func between(rng *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rng.Int64N(int64(to-from)/1e6))*time.Millisecond
}

func seconds(rng *rand.Rand, from, to float64) time.Duration {
	return between(rng, time.Duration(from*1e9), time.Duration(to*1e9))
}

// longStop is more than the lease of 40 to 60 s; drawn only in runs that are
// long enough for it.
const (
	longStop   = 65 * time.Second
	longEnough = 2 * longStop
)

// workers: each worker has its own faults; now and then all are rolled.
func (d *drawer) workers() {
	for i := range d.options.Workers {
		rng := d.source()
		for at := seconds(rng, 1, 8); ; {
			s := Step{At: at, Target: strconv.Itoa(i)}
			switch roll := rng.IntN(100); {
			case roll < 50:
				s.Verb, s.For = KillWorker, seconds(rng, 0.1, 4)
			case roll < 82:
				s.Verb, s.For = StopWorker, seconds(rng, 0.5, 8)
				if d.options.Duration >= longEnough && rng.IntN(10) == 0 {
					s.For = longStop
				}
			default:
				s.Verb = TermWorker
			}
			end, ok := d.add(s)
			if !ok {
				break
			}
			at = end + seconds(rng, 4, 14)
		}
	}
	rng := d.source()
	for at := seconds(rng, 8, 25); ; at += seconds(rng, 20, 45) {
		if _, ok := d.add(Step{At: at, Verb: Roll, Target: "all"}); !ok {
			break
		}
	}
}

// nodes: one at a time, so that a quorum stays most of the time.
func (d *drawer) nodes() {
	rng := d.source()
	for at := seconds(rng, 3, 8); ; {
		s := Step{At: at, Target: strconv.Itoa(rng.IntN(max(d.options.Nodes, 1)))}
		switch roll := rng.IntN(100); {
		case roll < 38:
			s.Verb, s.For = KillNode, seconds(rng, 0.2, 5)
		case roll < 44:
			s.Verb, s.For = KillNodes, seconds(rng, 0.5, 4)
		case roll < 58:
			s.Verb, s.For = TermNode, seconds(rng, 0.2, 3)
		case roll < 72:
			s.Verb, s.For = StopNode, seconds(rng, 0.5, 5)
		default:
			s.Verb, s.Target = StepDown, d.options.Streams[rng.IntN(len(d.options.Streams))]
		}
		end, ok := d.add(s)
		if !ok {
			break
		}
		at = end + seconds(rng, 3, 9)
	}
}

// transient faults pass; what is not delivered meanwhile must be later.
func transient(rng *rand.Rand) string {
	words := []string{
		"hang", "hang=3s", "hang take", "reset", "reset take", "reset-body", "reset-body take",
		"503", "500", "502 latency=300ms", "504 latency=2s take", "408",
		fmt.Sprintf("429 retry-after=%ds", 1+rng.IntN(4)), "429",
		"no-verdict", "no-verdict every=3", "verdict=retry details=not_persisted",
		"verdict=retry details=not_persisted every=4", "verdict=banana every=2", "verdict=warning",
		"200 type=text/html body=<html>maintenance</html>", "200 type=application/json body={}",
		"200 type=application/json body={\"status\":\"later\"}", "204",
		"latency=400ms", "latency=2500ms", "415 take",
	}
	return words[rng.IntN(len(words))]
}

// holding faults wait for the owner: nothing may be dropped.
func holding(rng *rand.Rand) string {
	words := []string{
		"401", "401", "402", "403", "404", "405", "410", "501", "418",
		"307 location=http://127.0.0.1:1/", "302 location=/elsewhere", "415",
		"verdict=drop details=billing_limit_exceeded", "verdict=drop details=llm_events_over_quota every=2",
	}
	return words[rng.IntN(len(words))]
}

// condemning faults bury events.
func condemning(rng *rand.Rand) string {
	words := []string{
		"413", "413", "400", "verdict=drop details=rejected every=5", "verdict=drop details=ai_event_too_big first=1",
		"verdict=drop details=event_restriction_drop every=2",
	}
	return words[rng.IntN(len(words))]
}

// posthog draws the faults of one project, one after the other.
func (d *drawer) posthog(to *load.Destination) {
	var words func(*rand.Rand) string
	longest, gap := 7.0, 9.0
	switch to.Family {
	case load.Transient:
		words = transient
	case load.Holding:
		words = holding
	case load.Condemning:
		words, longest, gap = condemning, 1.2, 12
	case load.Calm, load.Crowd:
		return
	}
	rng := d.source()
	for at := seconds(rng, 0.5, 6); ; {
		end, ok := d.add(Step{At: at, For: seconds(rng, 0.3, longest), Verb: PostHog, Target: to.ID(), Fault: words(rng)})
		if !ok {
			break
		}
		at = end + seconds(rng, 1, gap)
	}
}

// host: the crowd's listener fails as a whole.
func (d *drawer) host() {
	rng := d.source()
	words := []string{"503", "reset", "hang", "429 retry-after=2s", "504 latency=1s", "latency=1500ms", "500"}
	for at := seconds(rng, 4, 10); ; {
		s := Step{At: at, For: seconds(rng, 3, 12), Verb: Host, Target: strconv.Itoa(load.CrowdHost), Fault: words[rng.IntN(len(words))]}
		end, ok := d.add(s)
		if !ok {
			break
		}
		at = end + seconds(rng, 5, 12)
	}
}

// configuration: the destinations file changes in flight.
func (d *drawer) configuration() {
	for _, to := range d.options.Destinations {
		verb, ok := map[load.Change]Verb{load.Pauses: Pause, load.Moves: Move, load.Flips: Flip}[to.Change]
		if !ok {
			continue
		}
		rng := d.source()
		for at := seconds(rng, 2, 6); ; {
			end, ok := d.add(Step{At: at, For: seconds(rng, 2, 8), Verb: verb, Target: to.ID()})
			if !ok {
				break
			}
			at = end + seconds(rng, 2, 8)
		}
	}
	d.add(Step{At: d.options.Duration / 4, Verb: Settle, Target: "all"})
	rng := d.source()
	for at := seconds(rng, 6, 18); ; {
		verb := Garble
		if rng.IntN(2) == 0 {
			verb = Vanish
		}
		end, ok := d.add(Step{At: at, For: seconds(rng, 1, 3), Verb: verb, Target: "destinations"})
		if !ok {
			break
		}
		at = end + seconds(rng, 10, 25)
	}
}
