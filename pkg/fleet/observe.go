package fleet

import (
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// Observe takes what a request to a destination came to.
func (b *Board) Observe(to *destination.Destination, s health.Sample) {
	now := time.Now()
	if s.Revision == "" { // delivery keeps it, since to compute it is costly
		s.Revision = to.Revision()
	}
	token := b.token(to.Endpoint)
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.host(token, to.Endpoint)
	if b.isOurs(h, s, now) || b.outdated(to, s.Revision) {
		return
	}
	if s.Accepted > 0 {
		h.accepted = now
		if down := b.entries[hostKey(token)]; down != nil && down.status.Blocked() {
			b.clearHost(token, down)
		}
	}
	key := to.String()
	if own := b.entries[key]; own != nil && own.status.Blocked() {
		if own.status.About(s.Revision) {
			b.observeBlocked(key, own, s)
			return
		}
		if b.current == nil {
			return // which of the two is the latest can't be told
		}
		if s.Accepted > 0 {
			b.clear(key, own) // it is about a revision that is no more
		}
	}
	next := b.tracker(to.ID).Observe(now, s)
	if !next.Blocked() {
		return
	}
	next.Host = token
	b.log.Warn("destination is not healthy; its events are held",
		zap.String("tenant", to.Tenant), zap.String("destination", to.Name), zap.String("state", string(next.State)),
		zap.String("reason", string(next.Reason)), zap.Int("status", next.Code))
	b.set(key, b.entry(key, to.ID, ""), next)
	if health.HostDown(h.open, h.accepted, now) {
		b.hostDown(token, h, next)
	}
}

// outdated reports whether a destination has been changed since it was asked:
// the answer says nothing about it as it is now.
func (b *Board) outdated(to *destination.Destination, revision string) bool {
	if b.current == nil {
		return false
	}
	now := b.current.Get(to.ID)
	return now != to && (now == nil || now.Revision() != revision)
}

// isOurs notes whether an endpoint was reached, and reports a fault that is on
// our side and so is charged to nobody.
func (b *Board) isOurs(h *host, s health.Sample, now time.Time) bool {
	if s.Status != 0 || s.Accepted > 0 {
		h.reach.Answered = now
		return false
	}
	if !s.Failed && !s.Stalled {
		return false
	}
	h.reach.Unreached = now
	all := make([]health.Endpoint, 0, len(b.hosts))
	for _, h := range b.hosts {
		all = append(all, h.reach)
	}
	if !health.Ours(now, all) {
		return false
	}
	if now.Sub(time.Unix(0, b.ours.Swap(now.UnixNano()))) > time.Minute {
		b.log.Error("no destination can be reached, whoever's it is: the fault is on our side. Nothing is fetched for now; look at network, DNS and egress rules")
	}
	return true
}

// Ours reports whether no destination could be reached just now, so that
// nothing should be fetched. It lets go after a moment: what is fetched then
// shows whether it is over.
func (b *Board) Ours() bool {
	const moment = 5 * time.Second
	return time.Since(time.Unix(0, b.ours.Load())) < moment
}

// observeBlocked: anything accepted ends an outage. Of failures only the
// probe's count, unless one shows that the owner has to act.
func (b *Board) observeBlocked(key string, own *entry, s health.Sample) {
	switch {
	case own.status.Reason == outcome.Guarded && !own.probing:
	case s.Accepted > 0:
		b.clear(key, own)
	case own.status.State != health.Held && s.Failed && health.Classify(s.Cause) == health.Owner:
		b.set(key, own, own.status.Probed(time.Now(), health.Probe{Sample: s}))
	}
}

func (b *Board) hostDown(token string, h *host, of health.Status) {
	key := hostKey(token)
	if e := b.entries[key]; e != nil && e.status.Blocked() {
		return
	}
	b.log.Warn("a host is down for many destinations; all of its events are held",
		zap.String("host", h.endpoint), zap.Int("destinations", h.open), zap.String("reason", string(of.Reason)))
	of.Revision, of.Host = "", h.endpoint
	b.set(key, b.entry(key, destination.ID{}, token), of)
}

// clearHost: what was open with its host is healthy again with it.
func (b *Board) clearHost(token string, down *entry) {
	b.log.Info("host answers again", zap.String("host", down.status.Host))
	b.clear(hostKey(token), down)
	for key, e := range b.entries {
		if e.host == "" && e.status.Host == token && e.status.State == health.Open {
			b.clear(key, e)
		}
	}
}

// clear makes a blocked destination or host healthy.
func (b *Board) clear(key string, e *entry) {
	if !e.status.Blocked() {
		return
	}
	if e.host == "" {
		b.tracker(e.id).Closed(time.Now(), e.status)
		b.log.Info("destination is healthy again", zap.String("tenant", e.id.Tenant), zap.String("destination", e.id.Name),
			zap.Duration("after", time.Since(e.status.Since)))
	}
	b.moved(e, health.Healthy)
	b.adopt(e, health.Status{State: health.Healthy})
	b.dirty.add(key, !e.turn)
}

// set puts a status in force and has it shared.
func (b *Board) set(key string, e *entry, s health.Status) {
	s.Worker = b.params.Worker
	b.moved(e, s.State)
	b.adopt(e, s)
	b.dirty.add(key, false)
}

// moved tells of a change of state that was decided here.
func (b *Board) moved(e *entry, to health.State) {
	if b.params.Moved != nil && e.ofDestination() && e.status.State != to {
		b.params.Moved(e.status.State, to)
	}
}

// adopt puts a status in force here.
func (b *Board) adopt(e *entry, s health.Status) {
	was := e.status
	e.status = s
	b.blocked.Add(one(s.Blocked()) - one(was.Blocked()))
	if e.host == "" && !e.ofDestination() {
		return
	}
	if b.params.Blocked != nil && s.Blocked() && !was.Blocked() {
		b.params.Blocked(e.matches(b))
	}
	if e.host != "" {
		return
	}
	if h := b.hosts[was.Host]; h != nil && was.State == health.Open {
		h.open--
	}
	if s.State == health.Open && s.Host != "" {
		b.host(s.Host, "").open++
	}
}

// matches tells the destinations that an entry is about.
func (e *entry) matches(b *Board) func(*destination.Destination) bool {
	id, token, status := e.id, e.host, e.status
	return func(to *destination.Destination) bool {
		if token != "" {
			return b.token(to.Endpoint) == token
		}
		return to.ID == id && status.About(to.Revision())
	}
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

func (b *Board) entry(key string, id destination.ID, host string) *entry {
	e := b.entries[key]
	if e == nil {
		e = &entry{id: id, host: host, status: health.Status{State: health.Healthy}}
		b.entries[key] = e
	}
	return e
}

func (b *Board) host(token, endpoint string) *host {
	h := b.hosts[token]
	if h == nil {
		h = &host{}
		b.hosts[token] = h
	}
	if endpoint != "" {
		h.endpoint = endpoint
	}
	return h
}

// maxTrackers bounds the memory: about 100,000 × 200 B. What is forgotten is
// counted anew.
const maxTrackers = 100_000

func (b *Board) tracker(id destination.ID) *health.Tracker {
	t := b.trackers[id]
	if t == nil {
		if len(b.trackers) >= maxTrackers {
			clear(b.trackers)
		}
		t = &health.Tracker{}
		b.trackers[id] = t
	}
	return t
}
