package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

type v1Batch struct {
	CreatedAt           *string          `json:"created_at"`
	HistoricalMigration *bool            `json:"historical_migration"`
	Batch               []jsontext.Value `json:"batch"`
}

type v1Event struct {
	Event      *string        `json:"event"`
	UUID       string         `json:"uuid"`
	DistinctID *string        `json:"distinct_id"`
	Timestamp  *string        `json:"timestamp"`
	SessionID  *string        `json:"session_id"`
	WindowID   *string        `json:"window_id"`
	Options    jsontext.Value `json:"options"`
	Properties jsontext.Value `json:"properties"`
}

// judgeV1 judges a request to one of the v1 paths.
func (x *exchange) judgeV1(wire []byte) judgement {
	j := judgement{key: bearer(x.r)}
	if j.refused = x.checkV1Headers(); j.refused != nil {
		return j
	}
	payload, refused := x.inflateV1(wire)
	if refused != nil {
		j.refused = refused
		return j
	}
	events, refused := x.readV1(payload)
	j.count = len(events)
	if refused == nil && x.s.cfg.OverQuota[j.key] == QuotaRefused {
		refused = &refusal{http.StatusPaymentRequired, string(QuotaEvents), "billing limit exceeded"}
	}
	if refused != nil {
		j.refused = refused
		return j
	}
	j.events = make([]judged, len(events))
	for i := range events {
		j.events[i] = x.judgeV1Event(j.key, &events[i])
	}
	return j
}

// postHogHeaders must stand on each request to PostHog, beside the two of HTTP.
var postHogHeaders = []string{
	"PostHog-Sdk-Info", "PostHog-Attempt", "PostHog-Request-Id", "PostHog-Request-Timestamp",
	"Content-Type", "User-Agent",
}

func (x *exchange) checkV1Headers() *refusal {
	if _, wrong := checkToken(bearer(x.r)); wrong != "" {
		return &refusal{http.StatusUnauthorized, "invalid_api_token", "The provided API token is not valid: " + wrong}
	}
	if x.s.cfg.Strict {
		if refused := missingV1Headers(x.r.Header); refused != nil {
			return refused
		}
	}
	if name := badV1Header(x.r.Header); name != "" {
		return &refusal{http.StatusBadRequest, "invalid_header_value", "invalid header value: " + name}
	}
	return nil
}

func missingV1Headers(h http.Header) *refusal {
	var missing []string
	for _, name := range postHogHeaders {
		if h.Get(name) == "" {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		text := "request is missing required headers: " + strings.Join(missing, ", ")
		return &refusal{http.StatusBadRequest, "missing_required_headers", text}
	}
	if typ, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || typ != typeJSON {
		return &refusal{http.StatusUnsupportedMediaType, "unsupported_content_type", "unsupported content type"}
	}
	return nil
}

// badV1Header names the first header that is there and can't be read.
func badV1Header(h http.Header) string {
	if v := h.Get("PostHog-Attempt"); v != "" {
		if n, err := strconv.ParseUint(v, 10, 32); err != nil || n < 1 {
			return "PostHog-Attempt must be a positive integer"
		}
	}
	if v := h.Get("PostHog-Request-Id"); v != "" {
		if _, err := uuid.Parse(v); err != nil {
			return "PostHog-Request-Id is not a valid UUID"
		}
	}
	if v := h.Get("PostHog-Request-Timestamp"); v != "" && !isRFC3339(v) {
		return "PostHog-Request-Timestamp is not valid RFC 3339"
	}
	return ""
}

func (x *exchange) inflateV1(wire []byte) ([]byte, *refusal) {
	if len(wire) == 0 {
		return nil, &refusal{http.StatusBadRequest, "empty_body", "request body is empty"}
	}
	payload, err := wire, error(nil)
	switch encoding := strings.ToLower(x.r.Header.Get("Content-Encoding")); encoding {
	case "":
	case "gzip", "deflate", "br", "zstd":
		payload, err = x.s.inflate.inflate(encoding, wire, x.route.inflated)
	default:
		return nil, &refusal{http.StatusUnsupportedMediaType, "unsupported_encoding", "unsupported content encoding"}
	}
	return payload, x.refuseBody(err)
}

// refuseBody is the answer to a body that can't be read, nil where it could.
func (x *exchange) refuseBody(err error) *refusal {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTooLarge):
		return &refusal{http.StatusRequestEntityTooLarge, "payload_too_large", "payload too large: the limit is " +
			strconv.FormatInt(x.route.wire, 10) + " bytes, inflated " + strconv.FormatInt(x.route.inflated, 10)}
	default:
		return &refusal{http.StatusBadRequest, "request_decoding_error", "Failed to decode request body."}
	}
}

// sentEvent is an event as v1 reads it: its batch is sound.
type sentEvent struct {
	v1Event
	size int // of its JSON as it was sent, in bytes
	uuid uuid.UUID
}

// readV1 reads a batch. What it refuses condemns the batch as a whole.
func (x *exchange) readV1(payload []byte) ([]sentEvent, *refusal) {
	parsing := func(err error) *refusal {
		return &refusal{http.StatusBadRequest, "request_parsing_error", "Failed to parse request body: " + err.Error()}
	}
	if err := checkJSON(payload); err != nil {
		return nil, parsing(err)
	}
	var batch v1Batch
	if err := decode(payload, &batch); err != nil {
		return nil, parsing(errors.New("the batch has not its form"))
	}
	if refused := x.checkV1Batch(&batch); refused != nil {
		return nil, refused
	}
	events := make([]sentEvent, len(batch.Batch))
	seen := make(map[uuid.UUID]bool, len(events))
	for i, raw := range batch.Batch {
		e := &events[i]
		if err := decode(raw, &e.v1Event); err != nil || x.s.cfg.Strict && e.lacksKeys() {
			return events, parsing(fmt.Errorf("event %d has not its form", i))
		}
		if refused := e.readUUID(seen); refused != nil {
			return events, refused
		}
		e.size = len(raw)
	}
	return events, nil
}

func (x *exchange) checkV1Batch(batch *v1Batch) *refusal {
	switch at := batch.CreatedAt; {
	case len(batch.Batch) == 0:
		return &refusal{http.StatusBadRequest, "empty_batch", "request batch is empty"}
	case at == nil && x.s.cfg.Strict:
		return &refusal{http.StatusBadRequest, "request_parsing_error", "Failed to parse request body: no created_at"}
	case at != nil && !isRFC3339(*at):
		return &refusal{http.StatusBadRequest, "invalid_batch", "invalid batch: created_at is not valid RFC 3339"}
	}
	return nil
}

func (e *v1Event) lacksKeys() bool {
	return e.Event == nil || e.DistinctID == nil || e.Timestamp == nil
}

func (e *sentEvent) readUUID(seen map[uuid.UUID]bool) *refusal {
	text := strings.TrimSpace(e.UUID)
	if text == "" {
		return &refusal{http.StatusBadRequest, "missing_event_uuid", "event submitted without a uuid"}
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return &refusal{http.StatusBadRequest, "invalid_event_uuid", "event submitted with an invalid uuid"}
	}
	if seen[id] {
		return &refusal{http.StatusBadRequest, "duplicate_event_uuid", "duplicate event uuid: " + id.String()}
	}
	seen[id] = true
	e.uuid = id
	return nil
}

// judgeV1Event gives one event its verdict.
func (x *exchange) judgeV1Event(key string, e *sentEvent) judged {
	j := judged{event: Taken{UUID: e.uuid.String()}, result: resultDrop}
	opts, ok := readOptions(e.Options)
	switch {
	case e.fault() != "":
		j.details = e.fault()
	case !ok:
		j.details = "invalid_options"
	case x.route.ai && !isAI(*e.Event):
		j.details = "misrouted_event"
	case x.s.overQuota(key, *e.Event) != "":
		j.details = x.s.overQuota(key, *e.Event)
	case isAI(*e.Event) && e.size > x.route.maxAIEvent():
		j.details = "ai_event_too_big"
	default:
		j.sound, j.result = true, resultOK
		j.event = x.takeV1(key, e, opts)
		if isJunk(j.event.DistinctID) {
			j.details = "person_processing_disabled"
		}
		if x.s.warned[key] {
			j.result, j.details = resultWarning, "person_processing_disabled"
		}
	}
	return j
}

// fault is the detail with which the event is dropped for its own sake.
func (e *sentEvent) fault() string {
	name, id, at := deref(e.Event), strings.TrimSpace(deref(e.DistinctID)), deref(e.Timestamp)
	switch {
	case name == "":
		return "missing_event_name"
	case len(name) > MaxEventName:
		return "event_name_too_long"
	case id == "":
		return "missing_distinct_id"
	case len(id) > MaxDistinctID:
		return "distinct_id_too_large"
	case !isRFC3339(at):
		return "invalid_event_timestamp"
	case len(e.Properties) > 0 && e.Properties.Kind() != '{':
		return "malformed_event_properties"
	}
	return ""
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (x *exchange) takeV1(key string, e *sentEvent, opts options) Taken {
	t := Taken{
		APIKey:     key,
		Path:       x.r.URL.Path,
		Event:      *e.Event,
		UUID:       e.uuid.String(),
		DistinctID: strings.TrimSpace(*e.DistinctID),
		Timestamp:  *e.Timestamp,
		Properties: fold(e, opts, x.r.Header.Get("PostHog-Sdk-Info")),
		ReceivedAt: x.req.ReceivedAt,
		Request:    x.req.ID,
	}
	if len(e.Options) > 0 && e.Options.Kind() != 'n' {
		t.Options = oneLine(e.Options)
	}
	return t
}

// renderV1 is the answer to a batch: a verdict for each uuid, in its order.
func renderV1(j *judgement) answer {
	a := answer{status: http.StatusOK, typ: typeJSON}
	var body bytes.Buffer
	body.WriteString(`{"results":{`)
	comma := ""
	for i := range j.events {
		e := &j.events[i]
		if e.result == resultRetry {
			a.header = http.Header{"Retry-After": {"1"}}
		}
		if e.silent {
			continue
		}
		body.WriteString(comma + `"` + e.event.UUID + `":{"result":`)
		body.Write(appendString(nil, e.result))
		if e.details != "" {
			body.WriteString(`,"details":`)
			body.Write(appendString(nil, e.details))
		}
		body.WriteByte('}')
		comma = ","
	}
	body.WriteString("}}")
	a.body = body.Bytes()
	return a
}
