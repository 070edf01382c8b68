package load

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Secret is in the content of every record: no log line may hold it.
const Secret = "xyzzy-content-of-a-prompt"

// Kind says what a record is.
type Kind string

// The kinds. All but Good and Twin are hostile, and become dead letters of the
// record as a whole.
const (
	Good       Kind = "good"
	Twin       Kind = "twin"       // the bytes of an earlier one, published again as another message
	Broken     Kind = "broken"     // JSON that ends too early
	Binary     Kind = "binary"     // no JSON at all
	Nameless   Kind = "nameless"   // without a model
	Timeless   Kind = "timeless"   // created_at can't be read
	Foreign    Kind = "foreign"    // names another tenant than its subject
	LongID     Kind = "long_id"    // an id over 256 bytes
	OddID      Kind = "odd_id"     // an id with a control character
	Deep       Kind = "deep"       // nested deeper than the reader goes
	Stranger   Kind = "stranger"   // of a tenant without destinations
	BadSubject Kind = "badsubject" // its subject's tenant is no name
)

// hostile kinds, equally likely.
var hostile = []Kind{Broken, Binary, Nameless, Timeless, Foreign, LongID, OddID, Deep, Stranger, BadSubject}

// Record is one message of the run.
type Record struct {
	N       int
	Kind    Kind
	Subject string // the tenant's token of the subject
	ID      string // the record's own; "" where it has none
	MsgID   string // Nats-Msg-Id, of this run alone
	Of      int    // a Twin's original
	Body    []byte
}

// Letter is what becomes of a hostile record.
type Letter struct {
	Tenant string // "_" where it can't be told
	Reason string
}

// Letter tells a hostile record's end; false for others.
func (r *Record) Letter() (Letter, bool) {
	switch r.Kind {
	case Good, Twin:
		return Letter{}, false
	case Stranger:
		return Letter{r.Subject, "no_destination"}, true
	case BadSubject:
		return Letter{"_", "malformed"}, true
	}
	return Letter{r.Subject, "malformed"}, true
}

// Shares of the kinds, in thousandths.
const (
	hostileShare = 20
	twinShare    = 5
)

// Record makes record n, the same each time.
func (l *Load) Record(n int) *Record {
	rng := rand.New(rand.NewPCG(l.seed, uint64(n)))
	roll := rng.IntN(1000)
	if roll < twinShare && n > 0 {
		if original := l.Record(n - 1); original.Kind == Good {
			original.N, original.Kind, original.Of = n, Twin, n-1
			original.MsgID += "#again"
			return original
		}
	}
	t := l.pick(rng)
	r := &Record{N: n, Kind: Good, Subject: t.Name, ID: recordID(rng, n)}
	b := l.body(rng, r)
	r.MsgID = r.Subject + "/" + r.ID
	if roll >= twinShare && roll < twinShare+hostileShare {
		spoil(rng, r, b)
	}
	if r.Body == nil {
		r.Body = encode(b)
	}
	return r
}

func (l *Load) pick(rng *rand.Rand) *Tenant {
	at := rng.IntN(l.weight)
	for _, t := range l.Tenants {
		if at -= t.Weight; at < 0 {
			return t
		}
	}
	return l.Tenants[0]
}

// recordID varies the form of ids: long ones, spaces within, letters beyond
// ASCII, and what looks like a token of a subject.
func recordID(rng *rand.Rand, n int) string {
	id := fmt.Sprintf("g%d", n)
	switch rng.IntN(20) {
	case 0:
		return id + strings.Repeat("x", 256-len(id))
	case 1:
		return id + " with / and . and *"
	case 2:
		return id + "-äöü-日本"
	}
	return id
}

type object = map[string]any

func (l *Load) body(rng *rand.Rand, r *Record) object {
	b := object{
		"id": r.ID, "tenant": r.Subject, "model": "openai/gpt-4o", "provider": "openai",
		"created_at":  l.began.Add(time.Duration(r.N) * time.Millisecond).Format(time.RFC3339Nano),
		"api_key_id":  fmt.Sprintf("key-%d", rng.IntN(3)),
		"session_id":  fmt.Sprintf("session-%d", r.N/7),
		"messages":    messages(rng, r.N),
		"choices":     []object{{"message": object{"role": "assistant", "content": fmt.Sprintf("answer %d: %s", r.N, Secret)}, "finish_reason": "stop"}},
		"usage":       object{"prompt_tokens": rng.IntN(5000), "completion_tokens": rng.IntN(900), "total_cost": 0.00125},
		"latency_ms":  rng.IntN(20_000),
		"temperature": 0.7,
		"trace":       object{"trace_id": fmt.Sprintf("trace-%d", r.N/3), "generation_name": "chaos", "number": r.N},
	}
	switch rng.IntN(10) {
	case 0: // nobody: a person must not be made
	case 1:
		b["user"] = strings.Repeat("u", 220) + r.ID
	case 2:
		b["user"] = "anonymous"
	default:
		b["user"] = fmt.Sprintf("user-%d", rng.IntN(500))
	}
	if rng.IntN(12) == 0 {
		b["http_status"] = 500
		b["error"] = object{"code": "server_error", "message": "it said: " + Secret}
	}
	if rng.IntN(8) == 0 {
		b["tools"] = []object{{"type": "function", "function": object{"name": "look_up", "description": Secret}}}
	}
	if rng.IntN(15) == 0 {
		b["max_tokens"] = "many" // an optional field of the wrong type costs no record
	}
	return b
}

// messages are 70 % of about 1.5 KB, 25 % of 6, 5 % of 40, and one in a
// thousand of 600, which has to be shortened.
func messages(rng *rand.Rand, n int) []object {
	size := 1_000
	switch roll := rng.IntN(1000); {
	case roll == 0:
		size = 600_000
	case roll < 50:
		size = 40_000
	case roll < 300:
		size = 6_000
	}
	sentence := fmt.Sprintf("%s %d \"quoted\" \\ ü € 😀 line\nbreak. ", Secret, n)
	return []object{
		{"role": "system", "content": "be brief"},
		{"role": "user", "content": strings.Repeat(sentence, 1+size/len(sentence))},
	}
}

// spoil makes a record hostile.
func spoil(rng *rand.Rand, r *Record, b object) {
	r.Kind = hostile[rng.IntN(len(hostile))]
	// The id of a hostile record may be unfit for a header.
	r.MsgID = fmt.Sprintf("hostile/%d", r.N)
	switch r.Kind {
	case Broken:
		r.Body = encode(b)
		r.Body = r.Body[:len(r.Body)*2/3]
	case Binary:
		r.Body = fmt.Appendf(nil, "\x00\x01\xff%d %s", r.N, Secret)
	case Nameless:
		delete(b, "model")
	case Timeless:
		b["created_at"] = "yesterday"
	case Foreign:
		b["tenant"] = "calm-0"
		if r.Subject == "calm-0" {
			r.Subject = "calm-1"
		}
	case LongID:
		b["id"] = fmt.Sprintf("g%d", r.N) + strings.Repeat("y", 300)
	case OddID:
		b["id"] = fmt.Sprintf("g%d\tx", r.N)
	case Deep:
		const levels = 10_001
		deep := strings.Repeat("[", levels) + strings.Repeat("]", levels)
		r.Body = append(encode(b)[:1], fmt.Sprintf("%q:%s,%s", "deep", deep, encode(b)[1:])...)
	case Stranger:
		r.Subject = fmt.Sprintf("ghost-%d", rng.IntN(4))
		b["tenant"] = r.Subject
	case BadSubject:
		r.Subject = "-bad"
		b["tenant"] = r.Subject
	}
}

// encode writes a body; maps are written in the order of their keys.
func encode(b object) []byte {
	data, err := json.Marshal(b)
	if err != nil {
		panic(err) // can't be: it is made of strings and numbers
	}
	return data
}
