package doctor

import "time"

// Snapshot is what was found out, at about one time.
type Snapshot struct {
	Server  Server
	Account AccountFacts
	// Nodes are the servers as their monitoring tells; none where it was not
	// asked, and NodesErr says why where it did not answer.
	Nodes    []Node
	NodesErr string
	// File is the server's configuration file, where one was given.
	File      ServerFile
	Streams   []Stream
	Consumers []Consumer
	Buckets   []Bucket
	Fleet     FleetFacts
	Worker    WorkerFacts
}

// Answer is whether something was there to be asked.
type Answer string

// The answers.
const (
	Here    Answer = ""        // it answered
	Missing Answer = "missing" // there is none
	Silent  Answer = "silent"  // no answer, or that nobody leads it
	Refused Answer = "refused" // these credentials may not ask
	Off     Answer = "off"     // JetStream is not on for this account
)

// Server is what the connection tells.
type Server struct {
	URL        string // without secrets
	Name       string
	Version    string
	Needs      string // the oldest version that has what hogcast needs
	TooOld     bool
	Cluster    string // its name; "": a single server
	MaxPayload int64
	TLS        bool
	Loopback   bool // on this machine
	JetStream  Answer
	// Skew is how far the server's clock is ahead of this machine's, beyond
	// what the time of asking explains; of the server whose is furthest off.
	Skew      time.Duration
	SkewOf    string
	SkewKnown bool
}

// Node is what one server's monitoring tells.
type Node struct {
	Name         string
	Version      string
	TooOld       bool
	JetStream    bool
	SyncAlways   bool
	SyncInterval time.Duration
	Store        uint64 // bytes on disk
	MaxStore     int64  // bytes that may be
	TLS          bool   // of clients
	ClusterTLS   bool
	MetaSize     int // servers in JetStream's meta group; 0: no cluster
	MetaLeader   string
	Skew         time.Duration
	SlowClients  int64
}

// ServerFile is a server's configuration file.
type ServerFile struct {
	Path         string // "": none was given
	Err          string // why it could not be read
	Encrypted    bool
	Cipher       string
	SyncAlways   bool
	SyncInterval time.Duration
	TLS          bool
}

// AccountFacts are what the account may store, and does.
type AccountFacts struct {
	Answer Answer
	Detail string
	Tiers  []Tier
}

// Tier is one set of limits; a limit below 1 is none.
type Tier struct {
	Name         string // "": the account's only one
	Store        uint64
	MaxStore     int64
	Consumers    int
	MaxConsumers int
}

// Role is what a stream is for.
type Role string

// The roles.
const (
	Generations Role = "generations"
	HeldWork    Role = "held"
	Wakeups     Role = "wakeups"
	DeadLetters Role = "dead"
	Audit       Role = "audit"
)

// Queue reports whether it is a work queue.
func (r Role) Queue() bool { return r == Generations || r == HeldWork || r == Wakeups }

// Stream is one stream as it is.
type Stream struct {
	Name   string
	Role   Role
	Answer Answer
	Detail string // of the answer
	// Subject is what it has to take, and Takes what it does.
	Subject string
	Takes   []string
	// Closed: a shard that nobody publishes to any more; workers empty it.
	Closed bool

	Replicas          int
	Memory            bool
	WorkQueue, Limits bool // its retention; neither: interest
	DiscardOld        bool
	PerSubject        bool  // discard new per subject
	MaxPerSubject     int64 // below 1: none
	MaxBytes, MaxMsgs int64 // below 1: none
	MaxConsumers      int   // below 1: none
	MaxMsgSize        int64 // below 1: none
	MaxAge            time.Duration
	Duplicates        time.Duration
	NoAck             bool
	Sealed            bool
	DenyDelete        bool
	Rollup            bool // a header of any publisher's may empty it
	MsgTTL            bool // a header of any publisher's may let a message expire
	AsyncWrites       bool // acknowledged before they are written
	Compression       string

	Messages, Bytes uint64
	Leader          string // "": none, on a cluster
	Clustered       bool
	Peers           []Peer
}

// Peer is one replica beside the leader's.
type Peer struct {
	Name             string
	Current, Offline bool
	Lag              uint64
}

// Consumer is one durable consumer as it is.
type Consumer struct {
	Name, Stream string
	Role         Role // of its stream
	Answer       Answer
	Detail       string

	AckExplicit   bool
	DeliverAll    bool
	Push          bool
	Filter        []string
	AckWait       time.Duration
	BackOff       int // steps
	MaxAckPending int // -1: none
	MaxDeliver    int // below 1: none
	Prioritized   bool
	HeadersOnly   bool
	Memory        bool
	Replicas      int // 0: the stream's
	Inactive      time.Duration
	MaxWaiting    int
	MaxBatch      int // below 1: none
	MaxExpires    time.Duration
	MaxPullBytes  int // below 1: none

	Paused    bool
	PausedFor time.Duration
	Pending   uint64
	InHand    int // delivered and not acknowledged
	Waiting   int // pulls
	// DeliveredAt and AckedAt are sequences of the consumer.
	DeliveredAt, AckedAt uint64
	// Moved: something was delivered or acknowledged between two looks, Watched
	// apart; 0: only one look was taken.
	Moved   bool
	Watched time.Duration
	// Quiet is how long ago the last delivery was; 0: not known.
	Quiet time.Duration
}

// Bucket is one key-value bucket.
type Bucket struct {
	Name        string
	Answer      Answer
	Detail      string
	History     int
	WantHistory int
	TTL         time.Duration
	WantTTL     time.Duration
	Replicas    int
	Memory      bool
	Keys        uint64 // deleted ones included
	Leader      string
	Clustered   bool
	Peers       []Peer
}

// FleetFacts are what the workers tell of themselves and of destinations.
type FleetFacts struct {
	Answer   Answer
	Detail   string
	Workers  int
	Versions map[string]int // workers by version, of those that tell
	// States are destinations by state, those that are not healthy; Reasons by
	// why. Hosts and Guards are those that are down and those that are on.
	States, Reasons map[string]int
	Hosts, Guards   int
	// Asleep are held destinations without a wake-up.
	Asleep int
}

// WorkerFacts are a worker's settings: its configuration's where Given, else
// the defaults.
type WorkerFacts struct {
	Given          bool
	Window         int64
	MainLaneMax    time.Duration
	RequestTimeout time.Duration
	DrainTimeout   time.Duration
	Heartbeat      time.Duration
	PullBatch      int           // messages that one pull asks for
	PullWait       time.Duration // how long one pull waits
	LeastWindow    int64         // what the server's max_payload asks for
	// InWindow is how many records of the usual size a window takes, and
	// InWindowAtLeast how many large ones.
	InWindow, InWindowAtLeast int
	// Err is what the worker itself would refuse.
	Err string
	// Destinations are those of its file; with DestinationsErr where that can't
	// be read here.
	Destinations, BadDestinations, Defaults int
	DestinationsErr                         string
	FromFile                                bool
	DefaultsOn                              bool   // those for tenants that have none are in use
	KeyRing                                 string // where its master keys come from; "": nowhere
	KeysTold                                bool   // the configuration speaks of them
	PlainSecrets                            bool   // allowed without
}
