package posthog

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// errForeign is a 2xx whose body is not what PostHog writes.
var errForeign = errors.New("the answer is not PostHog's")

// errTwice is an answer that says something twice.
var errTwice = errors.New("a name twice")

// parseBatch reads the answer of /batch/: a status of "Ok", or 1 from old
// deployments.
func parseBatch(body []byte) error {
	var got struct {
		Status jsontext.Value `json:"status"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("%w: not a JSON object", errForeign)
	}
	switch string(got.Status) {
	case `"Ok"`, `1`:
		return nil
	}
	return fmt.Errorf("%w: no status of Ok", errForeign)
}

// parseResults reads `{"results":{uuid:{"result":word,"details":text}}}` from
// x.body and calls found for each event of ours. Two results for one uuid are
// an error: which one would count?
func (x *exchange) parseResults(found func(i int, result, details string)) error {
	x.source = *bytes.NewBuffer(x.body.Bytes())
	// The decoder's own check of names costs a map of all uuids.
	x.decoder.Reset(&x.source, jsontext.AllowDuplicateNames(true))
	dec := x.decoder
	present := false
	err := eachMember(dec, func(name []byte) error {
		if string(name) != `"results"` {
			return dec.SkipValue()
		}
		if present {
			return errTwice
		}
		present = true
		return x.eachResult(found)
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: no results can be read", errForeign)
	case !present:
		return fmt.Errorf("%w: no results", errForeign)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the results", errForeign)
	}
	return nil
}

func (x *exchange) eachResult(found func(i int, result, details string)) error {
	for i := range x.notes {
		x.notes[i].judged = false
	}
	return eachMember(x.decoder, func(uuid []byte) error {
		i, ours := x.index[string(uuid[1:len(uuid)-1])]
		result, details, err := readResult(x.decoder)
		switch {
		case err != nil:
			return err
		case !ours:
			return nil
		case x.notes[i].judged:
			return errTwice
		}
		x.notes[i].judged = true
		found(i, result, details)
		return nil
	})
}

// eachMember calls do for each name of the object that comes next, in quotes;
// do reads the value.
func eachMember(dec *jsontext.Decoder, do func(name []byte) error) error {
	if dec.PeekKind() != '{' {
		return errForeign
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := do(name); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

func readResult(dec *jsontext.Decoder) (result, details string, err error) {
	err = eachMember(dec, func(name []byte) error {
		var into *string
		switch string(name) {
		case `"result"`:
			into = &result
		case `"details"`:
			into = &details
		default:
			return dec.SkipValue()
		}
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if *into != "" {
			return errTwice
		}
		*into, err = text(value)
		return err
	})
	return result, details, err
}

// text is the string in a JSON value; null is the empty one.
func text(value jsontext.Value) (string, error) {
	switch string(value) {
	case `"ok"`:
		return "ok", nil // without an allocation per event
	case `null`:
		return "", nil
	}
	if value.Kind() != '"' {
		return "", errForeign
	}
	s, err := jsontext.AppendUnquote(nil, value)
	return string(s), err
}
