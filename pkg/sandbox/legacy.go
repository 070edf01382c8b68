package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

type legacyBatch struct {
	APIKey              *string          `json:"api_key"`
	Token               *string          `json:"token"`
	HistoricalMigration *bool            `json:"historical_migration"`
	SentAt              *string          `json:"sent_at"`
	Batch               []jsontext.Value `json:"batch"`
}

type legacyEvent struct {
	Event        *string        `json:"event"`
	UUID         *string        `json:"uuid"`
	DistinctID   jsontext.Value `json:"distinct_id"`
	DistinctIDJS jsontext.Value `json:"$distinct_id"`
	Timestamp    *string        `json:"timestamp"`
	Properties   jsontext.Value `json:"properties"`

	size int
}

// judgeLegacy judges a request to one of the legacy paths, where one bad event
// fails its whole batch.
func (x *exchange) judgeLegacy(wire []byte) judgement {
	var batch legacyBatch
	j := judgement{}
	if j.refused = x.readLegacy(wire, &batch); j.refused != nil {
		return j
	}
	j.count = len(batch.Batch)
	events, refused := decodeLegacy(batch.Batch)
	if refused != nil {
		j.refused = refused
		return j
	}
	if j.key, refused = legacyKey(batch.APIKey, batch.Token); refused != nil {
		j.refused = refused
		return j
	}
	j.events = make([]judged, 0, len(events))
	for i := range events {
		e, refused := x.judgeLegacyEvent(j.key, &events[i])
		if refused != nil {
			j.events, j.refused = nil, refused
			return j
		}
		j.events = append(j.events, e)
	}
	return j
}

// readLegacy inflates and decodes a body into v.
func (x *exchange) readLegacy(wire []byte, v any) *refusal {
	payload, err := inflateLegacy(x.r, wire, x.route.inflated)
	if refused := x.refuseBody(err); refused != nil {
		return refused
	}
	if err := checkJSON(payload); err != nil {
		return badRequest("failed to parse request: " + err.Error())
	}
	if decode(payload, v) != nil {
		return badRequest("failed to parse request: it has not its form")
	}
	return nil
}

func badRequest(text string) *refusal {
	return &refusal{http.StatusBadRequest, "bad_request", text}
}

// legacyKey is the key in a body, under either of its names.
func legacyKey(apiKey, token *string) (string, *refusal) {
	if apiKey == nil {
		apiKey = token
	}
	if apiKey == nil {
		return "", &refusal{http.StatusUnauthorized, "no_token", "event submitted without an api_key"}
	}
	key, wrong := checkToken(*apiKey)
	if wrong != "" {
		return "", &refusal{http.StatusUnauthorized, "invalid_token", "API key is not valid: " + wrong}
	}
	return key, nil
}

func decodeLegacy(batch []jsontext.Value) ([]legacyEvent, *refusal) {
	if len(batch) == 0 {
		return nil, badRequest("request holds no event")
	}
	events := make([]legacyEvent, len(batch))
	for i, raw := range batch {
		e := &events[i]
		if err := e.decode(raw); err != nil {
			return nil, badRequest(fmt.Sprintf("failed to parse request: event %d: %v", i, err))
		}
	}
	return events, nil
}

func (e *legacyEvent) decode(raw jsontext.Value) error {
	e.size = len(raw)
	if raw.Kind() != '{' || decode(raw, e) != nil {
		return errors.New("it has not its form")
	}
	if e.Event == nil {
		return errors.New("missing field `event`")
	}
	if len(e.Properties) == 0 {
		e.Properties = jsontext.Value("{}")
	}
	if e.Properties.Kind() != '{' {
		return errors.New("properties is not an object")
	}
	if id := deref(e.UUID); id != "" {
		if _, err := uuid.Parse(id); err != nil {
			return errors.New("uuid is malformed")
		}
	}
	return nil
}

// judgeLegacyEvent judges one event; what it refuses condemns the batch. Quota
// comes first, and is silent.
func (x *exchange) judgeLegacyEvent(key string, e *legacyEvent) (judged, *refusal) {
	name := *e.Event
	if x.route.ai && !isAI(name) {
		return judged{}, badRequest("only AI events are accepted on this path")
	}
	if details := x.s.overQuota(key, name); details != "" {
		return judged{result: resultDrop, details: details}, nil
	}
	distinctID := e.distinctID()
	switch {
	case name == "":
		return judged{}, badRequest("event submitted with an empty event name")
	case strings.TrimSpace(distinctID) == "":
		return judged{}, badRequest("event submitted without a distinct_id")
	case isAI(name) && e.size > x.route.maxAIEvent():
		text := fmt.Sprintf("maximum event size exceeded: the limit is %d bytes", x.route.maxAIEvent())
		return judged{}, &refusal{http.StatusRequestEntityTooLarge, "event_too_big", text}
	}
	return judged{sound: true, result: resultOK, event: Taken{
		APIKey:     key,
		Path:       x.r.URL.Path,
		Event:      name,
		UUID:       e.uuid(),
		DistinctID: cutDistinctID(distinctID),
		Timestamp:  e.timestamp(x.req.ReceivedAt),
		Properties: oneLine(e.Properties),
		ReceivedAt: x.req.ReceivedAt,
		Request:    x.req.ID,
	}}, nil
}

// distinctID is the event's own, or that of its properties; other types than
// strings are written as JSON.
func (e *legacyEvent) distinctID() string {
	for _, v := range []jsontext.Value{e.DistinctID, e.DistinctIDJS, e.propertiesDistinctID()} {
		switch v.Kind() {
		case jsontext.KindInvalid, 'n':
			continue
		case '"':
			return text(v)
		default:
			return string(oneLine(v))
		}
	}
	return ""
}

func (e *legacyEvent) propertiesDistinctID() jsontext.Value {
	if e.DistinctID.Kind() != jsontext.KindInvalid && e.DistinctID.Kind() != 'n' {
		return nil // the usual case, at no cost
	}
	var props struct {
		DistinctID jsontext.Value `json:"distinct_id"`
	}
	if decode(e.Properties, &props) != nil {
		return nil
	}
	return props.DistinctID
}

// uuid is the event's own in canonical form, or a new one.
func (e *legacyEvent) uuid() string {
	if id, err := uuid.Parse(deref(e.UUID)); err == nil {
		return id.String()
	}
	return uuid.NewString()
}

// timestamp is the event's own, or the time of its arrival.
func (e *legacyEvent) timestamp(arrived time.Time) string {
	if at := deref(e.Timestamp); at != "" {
		return at
	}
	return arrived.UTC().Format(time.RFC3339Nano)
}

// renderLegacy is the answer to a batch. It knows no verdicts: drops are
// silent, and what a fault says of single events is said of all.
func renderLegacy(j *judgement) answer {
	a := answer{status: http.StatusOK, typ: typeJSON, body: []byte(`{"status":"Ok"}`)}
	for i := range j.events {
		switch e := &j.events[i]; {
		case e.silent:
			a.body = nil
		case e.result == resultRetry:
			return answer{status: http.StatusServiceUnavailable, typ: typeText, body: []byte("transient error, please retry")}
		case e.result != resultOK && e.result != resultWarning && e.result != resultDrop:
			a.body = append(appendString([]byte(`{"status":`), e.result), '}')
		}
	}
	return a
}
