package record

import (
	"math"
	"strconv"
	"strings"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

// optional reads every field that can't condemn the record.
func (d *decoder) optional() {
	r := d.record
	r.Embedding = d.embedding()
	r.Provider = d.text(fieldProvider)
	r.APIKeyID = d.idText(fieldAPIKeyID)
	r.APIKeyUnreadable = r.APIKeyID == "" && d.fields[fieldAPIKeyID] != nil && !isEmptyString(d.fields[fieldAPIKeyID])
	r.User = d.idText(fieldUser)
	r.SessionID = d.idText(fieldSessionID)
	d.trace()
	r.Messages = d.content(fieldMessages, fieldInput, fieldPrompt)
	r.Choices = d.content(fieldChoices, fieldOutput)
	r.Tools = d.kind(fieldTools, rawjson.IsArray)
	d.usage()
	r.LatencyMS = d.number(fieldLatencyMS)
	r.TimeToFirstTokenMS = d.number(fieldTimeToFirstTokenMS)
	r.ResponseModel = d.text(fieldResponseModel)
	r.Cancelled = string(d.kind(fieldCancelled, isBool)) == "true"
	r.CacheExclusive = string(d.kind(fieldCacheInclusive, isBool)) == "false"
	r.Stream = d.kind(fieldStream, isBool)
	r.Temperature = d.number(fieldTemperature)
	r.MaxTokens = d.count("", fieldMaxTokens.name(), d.fields[fieldMaxTokens])
	d.params()
	d.httpStatus()
	r.FinishReason = d.text(fieldFinishReason)
	d.failure()
	r.BaseURL = bareURL(d.text(fieldBaseURL))
	r.RequestURL = bareURL(d.text(fieldRequestURL))
	d.groups()
}

// drop notes that a value is of the wrong type and left out; its path is the
// prefix (of the object it stands in) and its name.
func (d *decoder) drop(prefix, name string) {
	d.record.Dropped = append(d.record.Dropped, prefix+name)
}

// kind returns the field's value where it is of that kind.
func (d *decoder) kind(f field, is func([]byte) bool) Value {
	v := d.fields[f]
	if v == nil || is(v) {
		return v
	}
	d.drop("", f.name())
	return nil
}

func (d *decoder) text(f field) string {
	if v := d.kind(f, rawjson.IsString); v != nil {
		return rawjson.String(v)
	}
	return ""
}

// idText reads a string; a number's digits are taken for one.
func (d *decoder) idText(f field) string {
	if v := d.fields[f]; rawjson.IsNumber(v) {
		return string(v)
	}
	return d.text(f)
}

func (d *decoder) number(f field) Number { return d.numberAt("", f.name(), d.fields[f]) }

// numberAt returns v where it is a number that a double holds.
func (d *decoder) numberAt(prefix, name string, v Value) Number {
	if v == nil || rawjson.IsNumber(v) && rawjson.FitsDouble(v) {
		return v
	}
	d.drop(prefix, name)
	return nil
}

// count returns v where it is an integer ≥ 0. One written with a fraction of
// zero or an exponent is rewritten in plain digits, since PostHog reads
// nothing else as a token count.
func (d *decoder) count(prefix, name string, v Value) Number {
	if v == nil {
		return nil
	}
	if n, ok := wholeNumber(v); ok {
		return n
	}
	d.drop(prefix, name)
	return nil
}

func wholeNumber(v Value) (Number, bool) {
	if !rawjson.IsNumber(v) || !rawjson.FitsDouble(v) {
		return nil, false
	}
	if allDigits(v) {
		return v, true
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f < 0 || f != math.Trunc(f) {
		return nil, false
	}
	return strconv.AppendFloat(nil, math.Abs(f), 'f', 0, 64), true
}

func allDigits(v []byte) bool {
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func (d *decoder) embedding() bool {
	switch v := d.fields[fieldType]; {
	case v == nil:
	case rawjson.IsString(v) && rawjson.KeyIs(v, "embedding"):
		return true
	case !rawjson.IsString(v) || !rawjson.KeyIs(v, "generation"):
		d.drop("", fieldType.name())
	}
	return false
}

func (d *decoder) trace() {
	switch v := d.fields[fieldTrace]; {
	case rawjson.IsObject(v):
		d.record.Trace = v
	default:
		d.record.TraceOdd = v
	}
}

// content returns the first of several names that is present.
func (d *decoder) content(names ...field) Value {
	for _, f := range names {
		if d.fields[f] != nil {
			return d.kind(f, isContent)
		}
	}
	return nil
}

func isContent(v []byte) bool { return rawjson.IsArray(v) || rawjson.IsString(v) }

func isBool(v []byte) bool {
	_, ok := rawjson.Bool(v)
	return ok
}

func isEmptyString(v []byte) bool { return string(v) == `""` }

func (d *decoder) params() {
	for f := fieldTopP; f <= fieldServiceTier; f++ {
		if v := d.param(f); v != nil {
			d.record.Params = append(d.record.Params, Param{f.name(), v})
		}
	}
}

func (d *decoder) param(f field) Value {
	switch v := d.fields[f]; {
	case f <= fieldTopLogprobs:
		return d.number(f)
	case f == fieldLogprobs && rawjson.IsNumber(v):
		return d.number(f)
	case f <= fieldParallelToolCalls:
		return d.kind(f, isBool)
	default:
		return v
	}
}

func (d *decoder) httpStatus() {
	v := d.count("", fieldHTTPStatus.name(), d.fields[fieldHTTPStatus])
	if v == nil {
		return
	}
	n, err := strconv.Atoi(string(v))
	if err != nil || n == 0 {
		d.drop("", fieldHTTPStatus.name())
		return
	}
	d.record.HTTPStatus = n
}

// failure reads `error`. The empty string and the empty object, which some
// gateways always write, tell of no failure.
func (d *decoder) failure() {
	v := d.fields[fieldError]
	switch {
	case v == nil || isEmptyString(v):
	case rawjson.IsString(v):
		d.record.Failure = &Failure{Message: rawjson.String(v)}
	case rawjson.IsObject(v):
		if rawjson.IsEmpty(v) {
			return
		}
		var parts [3]Value
		pick(v, failureNames, parts[:])
		d.record.Failure = &Failure{
			Code:    d.failurePart(failureNames[0], parts[0]),
			Type:    d.failurePart(failureNames[1], parts[1]),
			Message: d.failurePart(failureNames[2], parts[2]),
		}
	default:
		d.drop("", fieldError.name())
	}
}

var failureNames = []string{"code", "type", "message"}

func (d *decoder) failurePart(name string, v Value) string {
	switch {
	case v == nil:
	case rawjson.IsString(v):
		return rawjson.String(v)
	case rawjson.IsNumber(v):
		return string(v)
	default:
		d.drop("error.", name)
	}
	return ""
}

func (d *decoder) groups() {
	v := d.kind(fieldGroups, rawjson.IsObject)
	if v == nil {
		return
	}
	for key, value := range rawjson.Object(v) {
		kind := rawjson.String(key)
		switch {
		case rawjson.IsString(value):
			d.group(kind, rawjson.String(value))
		case rawjson.IsNumber(value):
			d.group(kind, string(value))
		case !rawjson.IsNull(value):
			d.drop("groups.", kind)
		}
	}
}

// group keeps one group; of two of one type the last wins.
func (d *decoder) group(kind, key string) {
	for i := range d.record.Groups {
		if d.record.Groups[i].Type == kind {
			d.record.Groups[i].Key = key
			return
		}
	}
	if len(d.record.Groups) < maxGroups {
		d.record.Groups = append(d.record.Groups, Group{kind, key})
	}
}

// maxGroups bounds the search for duplicates; PostHog itself knows five types.
const maxGroups = 32

// bareURL cuts user info, query and fragment from a URL: keys travel there. One
// in which an @ is left, so that it may still hold user info, is left out.
func bareURL(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	from := 0 // of the authority
	if i := strings.IndexAny(s, `/\`); i > 0 && s[i-1] == ':' {
		from = i
	}
	for from < len(s) && (s[from] == '/' || s[from] == '\\') {
		from++
	}
	scheme, authority, path := s[:from], s[from:], ""
	if i := strings.IndexAny(authority, `/\`); i >= 0 {
		authority, path = authority[:i], authority[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	if strings.Contains(path, "@") {
		return ""
	}
	return scheme + authority + path
}

// StopReason is the finish reason, else the first choice's, else "cancelled"
// where the client went away.
func (r *Record) StopReason() string {
	if r.FinishReason != "" {
		return r.FinishReason
	}
	if rawjson.IsArray(r.Choices) {
		for choice := range rawjson.Array(r.Choices) {
			if rawjson.IsObject(choice) {
				if v := rawjson.Member(choice, "finish_reason"); rawjson.IsString(v) {
					return rawjson.String(v)
				}
			}
			break
		}
	}
	if r.Cancelled {
		return "cancelled"
	}
	return ""
}
