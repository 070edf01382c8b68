package app

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

const (
	// surveyEvery is how often streams are looked at: one worker of the fleet
	// asks, in 1 + shards requests.
	surveyEvery = 15 * time.Second
	// countEvery times as long it is between two counts of what is held and dead,
	// by subject: about 50 B for each destination that has something there.
	countEvery = 4
	// surveyStale times as long figures that can't be renewed are told.
	surveyStale = 3
)

// survey keeps figures of the queue that are the fleet's, not this worker's.
// Only the worker that speaks for all asks and tells, so that a sum counts
// nothing twice.
type survey struct {
	worker *worker
	every  time.Duration

	mu      sync.Mutex
	streams queue.Survey
	counts  heldCounts
}

// heldCounts are counts by subject, as of a time.
type heldCounts struct {
	at   time.Time
	held map[destination.ID]uint64
	dead map[string]uint64 // by reason
}

// newSurvey makes the figures known to the metrics; run asks for them.
func newSurvey(w *worker) *survey {
	s := &survey{worker: w, every: cmp.Or(w.config.FiguresEvery, surveyEvery)}
	s.register()
	return s
}

// run asks until ctx ends.
func (s *survey) run(ctx context.Context) {
	tick := time.NewTicker(s.every / 5)
	defer tick.Stop()
	told := false
	for {
		err := s.look(ctx, time.Now())
		if err != nil && !told && ctx.Err() == nil {
			s.worker.log.Warn("the figures of the streams can't be had; trying on", zap.Error(err))
		}
		told = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks for what is due; nothing where another worker speaks.
func (s *survey) look(ctx context.Context, now time.Time) error {
	if !s.worker.board.Speaks() {
		return nil
	}
	s.mu.Lock()
	streams, counts := now.Sub(s.streams.At) >= s.every, now.Sub(s.counts.at) >= countEvery*s.every
	s.mu.Unlock()
	if streams {
		got, err := s.worker.conn.Survey(ctx)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.streams = got
		s.mu.Unlock()
	}
	if counts {
		return s.count(ctx, now)
	}
	return nil
}

// count counts what is held and what is dead.
func (s *survey) count(ctx context.Context, now time.Time) error {
	c := heldCounts{at: now, held: make(map[destination.ID]uint64), dead: make(map[string]uint64)}
	for _, stream := range []string{queue.StreamHeld, queue.StreamHeldHosts} {
		subjects, err := s.worker.conn.CountBySubject(ctx, stream, ">")
		if err != nil {
			return err
		}
		for subject, n := range subjects {
			if _, tenant, name, ok := queue.ParseHeldSubject(subject); ok {
				c.held[destination.ID{Tenant: tenant, Name: name}] += n
			}
		}
	}
	subjects, err := s.worker.conn.CountBySubject(ctx, queue.StreamDead, ">")
	if err != nil {
		return err
	}
	for subject, n := range subjects {
		if _, _, reason, ok := queue.ParseDeadSubject(subject); ok {
			c.dead[reason] += n
		}
	}
	s.mu.Lock()
	s.counts = c
	s.mu.Unlock()
	return nil
}

// now returns the figures; none where another worker tells them, or where they
// are old.
func (s *survey) now() (streams []queue.StreamSurvey, counts heldCounts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.worker.board.Speaks() {
		return nil, heldCounts{}
	}
	if time.Since(s.streams.At) < surveyStale*s.every {
		streams = s.streams.Streams
	}
	if time.Since(s.counts.at) < (countEvery+surveyStale)*s.every {
		counts = s.counts
	}
	return streams, counts
}

func (s *survey) register() {
	s.ofStreams("hogcast_stream_messages", "Messages in a stream.", func(q queue.StreamSurvey) (float64, bool) { return float64(q.Messages), true })
	s.ofStreams("hogcast_stream_size_bytes", "Bytes of a stream.", func(q queue.StreamSurvey) (float64, bool) { return float64(q.Bytes), true })
	s.ofStreams("hogcast_stream_limit_bytes", "Bytes that a stream may have; absent where it has no limit of its own.",
		func(q queue.StreamSurvey) (float64, bool) { return float64(q.Limit), q.Limit > 0 })
	s.ofStreams("hogcast_stream_oldest_age_seconds", "Age of the oldest message of a stream; 0 where it is empty.",
		func(q queue.StreamSurvey) (float64, bool) { return age(q.Oldest), true })
	s.ofStreams("hogcast_stream_replicas_missing", "Copies of a stream that are offline or not caught up.",
		func(q queue.StreamSurvey) (float64, bool) { return float64(q.Missing), true })
	s.ofWorkers("hogcast_consumer_pending_records", "Records of a generation stream that were not delivered to a worker yet.",
		func(c *queue.ConsumerSurvey) float64 { return float64(c.Pending) })
	s.ofWorkers("hogcast_consumer_ack_pending_records", "Records of a generation stream that workers have in hand.",
		func(c *queue.ConsumerSurvey) float64 { return float64(c.AckPending) })
	s.ofWorkers("hogcast_consumer_ack_pending_limit_records", "Records of a generation stream that workers may have in hand.",
		func(c *queue.ConsumerSurvey) float64 { return float64(c.Limit) })
	telemetry.Gauges(s.worker.metrics, "hogcast_held_branches", "Branches that are held now, by the state of their destination.", []string{"state"}, s.heldByState)
	telemetry.Gauges(s.worker.metrics, "hogcast_dead_letters_stored", "Dead letters that are kept now, by reason.", []string{"reason"}, s.dead)
	if s.worker.config.MetricsTenants > 0 {
		telemetry.Gauges(s.worker.metrics, "hogcast_destination_held_branches", "Branches that are held now, of the destinations with the most; the others are _other.", []string{"tenant", "destination"}, s.heldByDestination)
		telemetry.Gauges(s.worker.metrics, "hogcast_destination_unhealthy", "1 for a destination that is not healthy, with state and reason: of those with the most held.", []string{"tenant", "destination", "state", "reason"}, s.unhealthy)
	}
}

func age(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(time.Since(at).Seconds(), 0)
}

func (s *survey) ofStreams(name, help string, value func(queue.StreamSurvey) (float64, bool)) {
	telemetry.Gauges(s.worker.metrics, name, help, []string{"stream"}, func(tell func(float64, ...string)) {
		streams, _ := s.now()
		for _, q := range streams {
			if v, ok := value(q); ok {
				tell(v, q.Name)
			}
		}
	})
}

func (s *survey) ofWorkers(name, help string, value func(*queue.ConsumerSurvey) float64) {
	s.ofStreams(name, help, func(q queue.StreamSurvey) (float64, bool) {
		if q.Workers == nil {
			return 0, false
		}
		return value(q.Workers), true
	})
}

// heldByState tells of every state from the start. What waits for its host has
// the state of the destination, too.
func (s *survey) heldByState(tell func(float64, ...string)) {
	_, counts := s.now()
	if counts.at.IsZero() {
		return
	}
	states := map[destination.ID]health.State{}
	s.worker.board.Each(func(id destination.ID, st health.Status) { states[id] = st.State })
	sums := map[health.State]uint64{}
	for id, n := range counts.held {
		sums[cmp.Or(states[id], health.Healthy)] += n
	}
	for _, state := range health.States() {
		tell(float64(sums[state]), string(state))
	}
}

func (s *survey) dead(tell func(float64, ...string)) {
	_, counts := s.now()
	if counts.at.IsZero() {
		return
	}
	for _, reason := range outcome.DeadReasons() {
		tell(float64(counts.dead[string(reason)]), string(reason))
	}
}

// mostHeld are the destinations that have most held.
func mostHeld(counts heldCounts, ids []destination.ID, most int) []destination.ID {
	slices.SortFunc(ids, func(a, b destination.ID) int {
		return cmp.Or(cmp.Compare(counts.held[b], counts.held[a]), strings.Compare(a.String(), b.String()))
	})
	return ids[:min(len(ids), most)]
}

func (s *survey) heldByDestination(tell func(float64, ...string)) {
	_, counts := s.now()
	if counts.at.IsZero() {
		return
	}
	ids := make([]destination.ID, 0, len(counts.held))
	var other uint64
	for id, n := range counts.held {
		ids, other = append(ids, id), other+n
	}
	for _, id := range mostHeld(counts, ids, s.worker.config.MetricsTenants) {
		other -= counts.held[id]
		tell(float64(counts.held[id]), id.Tenant, id.Name)
	}
	tell(float64(other), telemetry.Other, telemetry.Other)
}

func (s *survey) unhealthy(tell func(float64, ...string)) {
	if !s.worker.board.Speaks() {
		return
	}
	_, counts := s.now()
	states := map[destination.ID]health.Status{}
	s.worker.board.Each(func(id destination.ID, st health.Status) { states[id] = st })
	ids := make([]destination.ID, 0, len(states))
	for id := range states {
		ids = append(ids, id)
	}
	for _, id := range mostHeld(counts, ids, s.worker.config.MetricsTenants) {
		st := states[id]
		tell(1, id.Tenant, id.Name, string(st.State), string(st.Reason))
	}
}
