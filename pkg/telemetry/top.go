package telemetry

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hogcast/hogcast/pkg/outcome"
)

// Other stands for tenant and destination of all that have no series of their
// own. It is no tenant's name.
const Other = "_other"

const (
	// rankEvery is how often the top set is chosen anew.
	rankEvery = time.Minute
	// takesPlace: a place is taken only from one that has had less than this
	// part of the other's traffic, so that equals don't take turns.
	takesPlace = 2
	// countedFor, leastCounted bound whose traffic is counted: 16 for each
	// place, at least 1,024, of about 150 bytes.
	countedFor   = 16
	leastCounted = 1024
)

// Top keeps series by tenant and destination for those with the most traffic on
// this worker; all others share one set. A place is 5 ends, 2 of held branches,
// a histogram of 10, and the causes that occur. A nil Top keeps none.
type Top struct {
	places   int
	ends     *prometheus.CounterVec
	heldEnds *prometheus.CounterVec
	attempts *prometheus.CounterVec
	duration *prometheus.HistogramVec

	mu      sync.Mutex
	counted map[named]*traffic
	taken   int
	ranked  time.Time
	now     func() time.Time
}

// named is whom a series is about.
type named struct{ tenant, destination string }

// traffic is how much a destination has had.
type traffic struct {
	count float64 // since it was ranked last
	score float64 // half of the score before, and what came since
	in    bool    // it has a place
}

func newTop(reg prometheus.Registerer, places int) *Top {
	if places <= 0 {
		return nil
	}
	t := &Top{
		places: places, counted: make(map[named]*traffic), now: time.Now,
		ends:     vector("hogcast_destination_branches_total", "Branches of the main lane by how they ended, of the destinations with the most traffic on this worker; the others are _other.", "tenant", "destination", "outcome"),
		heldEnds: vector("hogcast_destination_held_ended_total", "Held branches by how they ended, of the destinations with the most traffic on this worker; the others are _other.", "tenant", "destination", "outcome"),
		attempts: vector("hogcast_destination_attempts_total", "Requests by cause of their outcome, of the destinations with the most traffic on this worker; the others are _other.", "tenant", "destination", "cause"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hogcast_destination_attempt_duration_seconds", Buckets: []float64{.01, .05, .1, .25, 1, 2.5, 10},
			Help: "Time of a request, of the destinations with the most traffic on this worker; the others are _other.",
		}, []string{"tenant", "destination"}),
	}
	t.ranked = t.now()
	reg.MustRegister(t.ends, t.heldEnds, t.attempts, t.duration)
	t.open(named{Other, Other})
	return t
}

// Attempt counts a request.
func (t *Top) Attempt(tenant, destination string, cause outcome.Cause, took time.Duration) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.label(named{tenant, destination}, 0)
	t.attempts.WithLabelValues(n.tenant, n.destination, string(cause)).Inc()
	t.duration.WithLabelValues(n.tenant, n.destination).Observe(took.Seconds())
}

func (t *Top) ended(tenant, destination string, end outcome.End) {
	if t != nil {
		t.end(t.ends, named{tenant, destination}, end)
	}
}

func (t *Top) heldEnded(tenant, destination string, end outcome.End) {
	if t != nil {
		t.end(t.heldEnds, named{tenant, destination}, end)
	}
}

// end counts under the lock: a series that was deleted must not come again.
func (t *Top) end(v *prometheus.CounterVec, n named, end outcome.End) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n = t.label(n, 1)
	v.WithLabelValues(n.tenant, n.destination, string(end)).Inc()
}

// label counts traffic and returns whose series it goes to. What has no
// destination is nobody's.
func (t *Top) label(n named, branches float64) named {
	if now := t.now(); now.Sub(t.ranked) >= rankEvery {
		t.ranked = now
		t.rank()
	}
	if n.tenant == "" || n.destination == "" || n.destination[0] == '_' {
		return named{Other, Other}
	}
	of := t.counted[n]
	if of == nil {
		if of = t.count(n); of == nil {
			return named{Other, Other}
		}
	}
	of.count += branches
	if !of.in {
		return named{Other, Other}
	}
	return n
}

// count begins to count a destination, which takes a place where one is free;
// nil where there is no room.
func (t *Top) count(n named) *traffic {
	if len(t.counted) >= max(countedFor*t.places, leastCounted) {
		return nil
	}
	of := &traffic{}
	t.counted[n] = of
	if t.taken < t.places {
		t.admit(n, of)
	}
	return of
}

func (t *Top) admit(n named, of *traffic) {
	of.in = true
	t.taken++
	t.open(n)
}

// open makes the series of a place, at 0.
func (t *Top) open(n named) {
	for _, end := range outcome.Ends() {
		t.ends.WithLabelValues(n.tenant, n.destination, string(end))
	}
	for _, end := range heldEnds {
		t.heldEnds.WithLabelValues(n.tenant, n.destination, string(end))
	}
	t.attempts.WithLabelValues(n.tenant, n.destination, string(outcome.OK))
	t.duration.WithLabelValues(n.tenant, n.destination)
}

// dismiss takes a place away, with its series.
func (t *Top) dismiss(n named, of *traffic) {
	of.in = false
	t.taken--
	labels := prometheus.Labels{"tenant": n.tenant, "destination": n.destination}
	t.ends.DeletePartialMatch(labels)
	t.heldEnds.DeletePartialMatch(labels)
	t.attempts.DeletePartialMatch(labels)
	t.duration.DeletePartialMatch(labels)
}

// rank gives the places to those with the most traffic, and forgets who has had
// none lately and has no place.
func (t *Top) rank() {
	var in, out []named
	for n, of := range t.counted {
		of.score, of.count = of.score/2+of.count, 0
		switch {
		case of.in:
			in = append(in, n)
		case of.score < 1:
			delete(t.counted, n)
		default:
			out = append(out, n)
		}
	}
	score := func(n named) float64 { return t.counted[n].score }
	slices.SortFunc(in, func(a, b named) int { return cmp.Compare(score(a), score(b)) })
	slices.SortFunc(out, func(a, b named) int { return cmp.Compare(score(b), score(a)) })
	for i := 0; i < min(len(in), len(out)) && score(out[i]) > takesPlace*score(in[i]); i++ {
		t.dismiss(in[i], t.counted[in[i]])
		t.admit(out[i], t.counted[out[i]])
	}
}
