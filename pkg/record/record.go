// Package record holds the generation record, schema version 1: what a gateway
// publishes. It decodes once and keeps content as raw JSON. Layer 0: facts; it
// imports nothing of ours but rawjson.
package record

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a record.
const (
	MaxIDBytes = 256
	// MaxDepth is the deepest nesting, the record's own object counted; the
	// limit of the JSON reader.
	MaxDepth = 10_000
)

// Value is raw, well-formed JSON, a part of the record's own bytes; nil where
// the field is absent or null: unavailable, which is not zero.
type Value = jsontext.Value

// Number is a JSON number within a double's range, its digits as they came;
// nil where unavailable.
type Number = jsontext.Value

// Record is one decoded record. It refers to the bytes that it was decoded
// from; they must not change while it is in use.
type Record struct {
	ID        string // 1–256 bytes
	Tenant    string // see ValidTenant
	CreatedAt time.Time
	Model     string

	Embedding bool // type: embedding
	Provider  string
	APIKeyID  string
	// APIKeyUnreadable: api_key_id is there, of a type that can't be compared.
	// Filters by key fail closed on it.
	APIKeyUnreadable bool
	User             string
	SessionID        string

	Trace    Value // an object
	TraceOdd Value // a trace that is no object

	Messages Value // array or string
	Choices  Value // array or string
	Tools    Value // array

	Usage Usage

	LatencyMS          Number
	TimeToFirstTokenMS Number
	ResponseModel      string
	Cancelled          bool
	CacheExclusive     bool // cache_inclusive: false

	Stream      Value // true or false
	Temperature Number
	MaxTokens   Number
	Params      []Param // the other model parameters, in the order of the list

	HTTPStatus   int // 0: unavailable
	FinishReason string
	Failure      *Failure // the generation failed
	BaseURL      string   // without user info, query and fragment
	RequestURL   string   // likewise
	Groups       []Group

	// Dropped lists the paths of optional fields that were left out because
	// they are of the wrong type, in the order of the schema.
	Dropped []string
	// Unknown counts top-level fields that are none of the schema's.
	Unknown int
}

// Usage holds token counts (integers ≥ 0) and costs (USD).
type Usage struct {
	PromptTokens, CompletionTokens, TotalTokens Number
	CachedTokens, CacheWriteTokens              Number
	ReasoningTokens, WebSearches                Number
	Cost, InputCost, OutputCost                 Number
}

// Param is one model parameter, its value raw.
type Param struct {
	Name  string
	Value Value
}

// Group is one PostHog group.
type Group struct{ Type, Key string }

// Failure is why the generation failed. Any of its parts may be empty.
type Failure struct{ Code, Type, Message string }

// Failed reports whether the generation failed: an error, or a status of 400
// or above.
func (r *Record) Failed() bool { return r.Failure != nil || r.HTTPStatus >= 400 }

// Malformed says what condemns a record. It holds none of its content.
type Malformed struct {
	Field   string // a field's name; "record" for the whole
	Problem string
}

// Error implements error: `field: what is wrong`.
func (m *Malformed) Error() string { return m.Field + ": " + m.Problem }
