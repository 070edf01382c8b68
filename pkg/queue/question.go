package queue

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/doctor"
)

// questionWait is how long a question of an inspection waits: a server that is
// well answers within milliseconds.
const questionWait = 3 * time.Second

// question is one request to JetStream's API, which changes nothing.
type question struct {
	verb string // such as STREAM.INFO.NAME
	body any    // nil: none
	into any
}

// answer is what became of a question.
type answer struct {
	doctor.Answer
	Detail string
	Asked  time.Time
	Took   time.Duration
}

// ask asks, and tells at once of a refusal for want of permission, to which the
// server sends no reply.
func (c *Conn) ask(ctx context.Context, q question) answer {
	var body []byte
	if q.body != nil {
		body, _ = json.Marshal(q.body) // of our own structs
	}
	subject := c.apiPrefix() + q.verb
	ctx, cancel := context.WithTimeout(ctx, questionWait)
	defer cancel()
	ctx, stop := c.refusals.watch(ctx, subject)
	defer stop()
	began := time.Now()
	msg, err := c.NATS.RequestWithContext(ctx, subject, body)
	a := answer{Asked: began, Took: time.Since(began)}
	switch {
	case errors.Is(context.Cause(ctx), ErrPermission):
		a.Answer = doctor.Refused
	case errors.Is(err, nats.ErrNoResponders):
		a.Answer, a.Detail = doctor.Silent, "JetStream is off, or starting"
	case err != nil:
		a.Answer, a.Detail = doctor.Silent, "no answer within "+questionWait.String()
	default:
		a.Answer, a.Detail = read(msg.Data, q.into)
	}
	return a
}

// apiPrefix is before the verbs of JetStream's API.
func (c *Conn) apiPrefix() string {
	if domain := c.JS.Options().Domain; domain != "" {
		return "$JS." + domain + ".API."
	}
	return "$JS.API."
}

// read takes an answer apart.
func read(data []byte, into any) (doctor.Answer, string) {
	var envelope struct {
		Error *jetstream.APIError `json:"error"`
	}
	if json.Unmarshal(data, &envelope) != nil {
		return doctor.Silent, "it answers what is no JSON"
	}
	if e := envelope.Error; e != nil {
		switch e.ErrorCode {
		case jetstream.JSErrCodeStreamNotFound, jetstream.JSErrCodeConsumerNotFound:
			return doctor.Missing, e.Description
		case jetstream.JSErrCodeJetStreamNotEnabled, jetstream.JSErrCodeJetStreamNotEnabledForAccount:
			return doctor.Off, e.Description
		}
		return doctor.Silent, e.Description
	}
	if into != nil && json.Unmarshal(data, into) != nil {
		return doctor.Silent, "it answers in another form"
	}
	return doctor.Here, ""
}
