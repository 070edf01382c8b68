// Package sandbox stands in for PostHog on loopback: it speaks the real wire
// protocols, judges events by PostHog's rules, refuses what PostHog refuses,
// keeps what it took and misbehaves on request. Development mode, the command
// `hogcast sandbox` and every test of delivery share it.
//
// It stands beside the layers and imports nothing of ours, so that it judges
// our events independently of the code that made them. Server.Start starts one
// goroutine (and net/http one for each connection); Server.Close ends them all.
package sandbox

import (
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Limits of PostHog's, in bytes.
const (
	MaxEventName      = 200       // longer: event_name_too_long on v1
	MaxDistinctID     = 200       // longer: distinct_id_too_large on v1, cut on legacy
	MaxAIEventBytes   = 983_040   // an AI event on the analytics lane
	MaxAILaneBytes    = 8 << 20   // an AI event on the AI lane
	MaxV1WireBytes    = 10 << 20  // a v1 request, as it is on the wire
	MaxV1BodyBytes    = 50 << 20  // a v1 request, inflated
	MaxLegacyBytes    = 20 << 20  // a legacy request, on the wire and inflated
	defaultKeepBytes  = 256 << 20 // of events in memory
	maxKeptRequests   = 100_000   // × ~500 B ≈ 50 MB
	readHeaderTimeout = 10 * time.Second
)

// Paths that the sandbox serves; each also with (or without) the slash at its end.
const (
	PathV1      = "/i/v1/analytics/events"
	PathV1AI    = "/i/v1/ai/events"
	PathBatch   = "/batch/"
	PathAIBatch = "/i/v0/ai/batch/"
	PathFlags   = "/flags"
	PathDecide  = "/decide"
)

// Quota is what a key is over. It decides what becomes of its events.
type Quota string

const (
	// QuotaEvents drops every event; v1 tells it for each, legacy is silent.
	QuotaEvents Quota = "billing_limit_exceeded"
	// QuotaLLM does the same to the AI events alone.
	QuotaLLM Quota = "llm_events_over_quota"
	// QuotaRefused makes v1 answer 402 to the whole batch, as PostHog does when
	// nothing of it would be left; legacy is silent.
	QuotaRefused Quota = "payment_required"
	// QuotaFlags makes /flags answer 402 to the key, once it is known; events
	// are taken.
	QuotaFlags Quota = "feature_flags"
)

// Config is what a Server is made of. The zero value is a PostHog that serves
// every path, knows every key and keeps what it took in memory.
type Config struct {
	// Record gets each accepted event as one line of NDJSON, one Write a line.
	// A Flush method is called after each line. If a line can't be written, the
	// client is told 503 and the event isn't taken.
	Record io.Writer
	// OnEvent is called for each accepted event before its request is answered,
	// possibly from several goroutines at once.
	OnEvent func(Taken)
	// Logger gets one line a request, on debug level. Nil: none.
	Logger *zap.Logger

	// KnownKeys are the keys that /flags and /decide know; nil: every
	// well-formed key that begins with phc_. The paths that take events accept
	// any well-formed key, as PostHog's edge does.
	KnownKeys []string
	// OverQuota are the keys whose events aren't kept.
	OverQuota map[string]Quota
	// PersonProcessingOff are the keys whose events v1 takes with a warning.
	PersonProcessingOff []string

	// MaxBodyBytes bounds a request on the wire, MaxInflatedBytes what it
	// inflates to. 0: PostHog's own (10 and 50 MiB on v1, 20 MiB on legacy).
	MaxBodyBytes, MaxInflatedBytes int64

	// Strict refuses on v1 whatever PostHog's reader refuses: a request without
	// its PostHog-* headers, User-Agent or Content-Type: application/json, a
	// batch without created_at, an event without the key event, distinct_id or
	// timestamp (400 for the whole batch, where the lenient reading drops the
	// one event). Off, a hand-written curl will do.
	Strict bool

	// What the deployment doesn't serve: answered with 404.
	DisableV1, DisableAI, DisableBatch, DisableFlags, DisableDecide bool
	// OldFlags has /flags answer in the older form, whatever version is asked
	// for.
	OldFlags bool

	// KeepNone keeps no event and no request, but counts and the set of uuids
	// (about 40 bytes an event), for benchmarks. Record and OnEvent still work.
	KeepNone bool
	// KeepBytes bounds the events that are kept, oldest forgotten first.
	// 0: 256 MiB.
	KeepBytes int64
}

// Server is the stand-in. It is an http.Handler, and its own server after Start.
// All methods may be called from several goroutines.
type Server struct {
	cfg     Config
	log     *zap.Logger
	routes  map[string]*route
	known   map[string]bool // nil: every phc_ key
	warned  map[string]bool
	faults  faults
	ledger  *ledger
	inflate inflater
	done    chan struct{} // closed by Close

	mu       sync.Mutex // guards what follows
	closed   bool
	inflight sync.WaitGroup
	listener net.Listener
	http     *http.Server
	served   chan struct{} // closed when the accept loop has ended
}

// New makes a server that isn't listening yet.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.KeepBytes <= 0 {
		cfg.KeepBytes = defaultKeepBytes
	}
	s := &Server{
		cfg:    cfg,
		log:    cfg.Logger,
		warned: set(cfg.PersonProcessingOff),
		ledger: newLedger(cfg),
		done:   make(chan struct{}),
	}
	if cfg.KnownKeys != nil {
		s.known = set(cfg.KnownKeys)
	}
	s.routes = s.makeRoutes()
	return s
}

func set(keys []string) map[string]bool {
	m := make(map[string]bool, len(keys))
	for _, k := range keys {
		m[k] = true
	}
	return m
}
