package record

import (
	"strconv"
	"time"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

// AppendJSON appends the record in its schema's form, made of the known
// fields alone: what a privacy rule left in it, and nothing else. Decode reads
// it back as the same record, but for Dropped and Unknown.
func (r *Record) AppendJSON(dst []byte) []byte {
	w := objectWriter{append(dst, '{')}
	w.text(fieldID, r.ID)
	w.text(fieldTenant, r.Tenant)
	w.text(fieldCreatedAt, r.CreatedAt.UTC().Format(time.RFC3339Nano))
	w.text(fieldModel, r.Model)
	if r.Embedding {
		w.text(fieldType, "embedding")
	}
	w.text(fieldProvider, r.Provider)
	w.text(fieldAPIKeyID, r.APIKeyID)
	if r.APIKeyUnreadable {
		w.raw(fieldAPIKeyID, []byte("false")) // stays unreadable
	}
	w.text(fieldUser, r.User)
	w.text(fieldSessionID, r.SessionID)
	w.raw(fieldTrace, r.Trace)
	w.raw(fieldTrace, r.TraceOdd)
	w.raw(fieldMessages, r.Messages)
	w.raw(fieldChoices, r.Choices)
	w.raw(fieldTools, r.Tools)
	w.usage(&r.Usage)
	w.raw(fieldLatencyMS, r.LatencyMS)
	w.raw(fieldTimeToFirstTokenMS, r.TimeToFirstTokenMS)
	w.text(fieldResponseModel, r.ResponseModel)
	w.flag(fieldCancelled, r.Cancelled, true)
	w.flag(fieldCacheInclusive, r.CacheExclusive, false)
	w.raw(fieldStream, r.Stream)
	w.raw(fieldTemperature, r.Temperature)
	w.raw(fieldMaxTokens, r.MaxTokens)
	for _, p := range r.Params {
		w.member(p.Name, p.Value)
	}
	if r.HTTPStatus != 0 {
		w.raw(fieldHTTPStatus, strconv.AppendInt(nil, int64(r.HTTPStatus), 10))
	}
	w.text(fieldFinishReason, r.FinishReason)
	w.failure(r.Failure)
	w.text(fieldBaseURL, r.BaseURL)
	w.text(fieldRequestURL, r.RequestURL)
	w.groups(r.Groups)
	return append(w.out, '}')
}

// objectWriter appends the members of one JSON object; absent values are left
// out.
type objectWriter struct{ out []byte }

func (w *objectWriter) key(name string) {
	if w.out[len(w.out)-1] != '{' {
		w.out = append(w.out, ',')
	}
	w.out = append(rawjson.AppendString(w.out, name), ':')
}

func (w *objectWriter) member(name string, v []byte) {
	if v != nil {
		w.key(name)
		w.out = append(w.out, v...)
	}
}

func (w *objectWriter) raw(f field, v []byte) { w.member(f.name(), v) }

func (w *objectWriter) text(f field, s string) {
	if s != "" {
		w.key(f.name())
		w.out = rawjson.AppendString(w.out, s)
	}
}

// flag writes value where the flag is set.
func (w *objectWriter) flag(f field, set, value bool) {
	if set {
		w.key(f.name())
		w.out = strconv.AppendBool(w.out, value)
	}
}

func (w *objectWriter) usage(u *Usage) {
	if u.empty() {
		return
	}
	w.key(fieldUsage.name())
	in := objectWriter{append(w.out, '{')}
	in.member("prompt_tokens", u.PromptTokens)
	in.member("completion_tokens", u.CompletionTokens)
	in.member("total_tokens", u.TotalTokens)
	in.nested("prompt_tokens_details", "cached_tokens", u.CachedTokens, "cache_write_tokens", u.CacheWriteTokens)
	in.nested("completion_tokens_details", "reasoning_tokens", u.ReasoningTokens, "", nil)
	in.member("cost", u.Cost)
	in.nested("cost_details", "input_cost", u.InputCost, "output_cost", u.OutputCost)
	in.nested("server_tool_use", "web_search_requests", u.WebSearches, "", nil)
	w.out = append(in.out, '}')
}

func (u *Usage) empty() bool {
	return u.PromptTokens == nil && u.CompletionTokens == nil && u.TotalTokens == nil &&
		u.CachedTokens == nil && u.CacheWriteTokens == nil && u.ReasoningTokens == nil &&
		u.WebSearches == nil && u.Cost == nil && u.InputCost == nil && u.OutputCost == nil
}

func (w *objectWriter) nested(name, key1 string, v1 []byte, key2 string, v2 []byte) {
	if v1 == nil && v2 == nil {
		return
	}
	w.key(name)
	in := objectWriter{append(w.out, '{')}
	in.member(key1, v1)
	in.member(key2, v2)
	w.out = append(in.out, '}')
}

func (w *objectWriter) failure(f *Failure) {
	if f == nil {
		return
	}
	w.key(fieldError.name())
	in := objectWriter{append(w.out, '{')}
	in.part("code", f.Code)
	in.part("type", f.Type)
	// An empty message keeps the object from being empty, which would mean
	// that nothing failed.
	in.member("message", rawjson.AppendString(nil, f.Message))
	w.out = append(in.out, '}')
}

func (w *objectWriter) part(name, s string) {
	if s != "" {
		w.member(name, rawjson.AppendString(nil, s))
	}
}

func (w *objectWriter) groups(groups []Group) {
	if len(groups) == 0 {
		return
	}
	w.key(fieldGroups.name())
	in := objectWriter{append(w.out, '{')}
	for _, g := range groups {
		in.member(g.Type, rawjson.AppendString(nil, g.Key))
	}
	w.out = append(in.out, '}')
}
