package mapping

import (
	"slices"
	"strconv"

	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// ids writes what ties the event to its trace. PostHog's trace tree breaks
// without a span id, so both are always there.
func (p *properties) ids(r *record.Record, t *trace) {
	p.text("$ai_trace_id", t.id)
	p.text("$ai_span_id", r.ID)
	p.text("$ai_span_name", t.spanName)
	p.text("$ai_session_id", r.SessionID)
}

func (p *properties) model(r *record.Record) {
	p.text("$ai_model", r.Model)
	p.text("$ai_provider", r.Provider)
	if r.ResponseModel != r.Model {
		p.text("hogcast_response_model", r.ResponseModel)
	}
	p.seconds("$ai_latency", r.LatencyMS)
	p.seconds("$ai_time_to_first_token", r.TimeToFirstTokenMS)
	p.raw("$ai_stream", r.Stream)
	p.raw("$ai_temperature", r.Temperature)
	p.raw("$ai_max_tokens", r.MaxTokens)
	p.parameters(r.Params)
	p.text("$ai_stop_reason", r.StopReason())
	if r.Cancelled {
		p.flag("hogcast_cancelled")
	}
	p.text("$ai_base_url", r.BaseURL)
	p.text("$ai_request_url", r.RequestURL)
}

// seconds writes milliseconds as seconds.
func (p *properties) seconds(name string, ms record.Number) {
	if ms == nil {
		return
	}
	f, err := strconv.ParseFloat(string(ms), 64)
	if err != nil {
		return // can't be: the decoder lets no other number through
	}
	p.key(name)
	p.out = strconv.AppendFloat(p.out, f/1000, floatFormat(f/1000), -1, 64)
}

// floatFormat is encoding/json's: plain digits, but for the very large and
// very small.
func floatFormat(f float64) byte {
	if f != 0 && (f < 1e-6 && f > -1e-6 || f >= 1e21 || f <= -1e21) {
		return 'e'
	}
	return 'f'
}

func (p *properties) parameters(params []record.Param) {
	if len(params) == 0 {
		return
	}
	p.key("$ai_model_parameters")
	p.out = append(p.out, '{')
	for i, param := range params {
		if i > 0 {
			p.out = append(p.out, ',')
		}
		p.out = append(p.out, '"')
		p.out = append(p.out, param.Name...)
		p.out = append(p.out, '"', ':')
		p.out = appendSound(p.out, param.Value, rawjson.Rules{Depth: valueDepth - 1})
	}
	p.out = append(p.out, '}')
}

// usage writes tokens and costs. The gateway knows the price, so PostHog is
// told to take the total as it is; and it is always told whether the prompt's
// count holds the cached tokens, since it would assume the contrary for Claude.
func (p *properties) usage(u *record.Usage, cacheExclusive bool) {
	p.raw("$ai_input_tokens", u.PromptTokens)
	p.raw("$ai_output_tokens", u.CompletionTokens)
	p.raw("$ai_total_tokens", u.TotalTokens)
	p.raw("$ai_cache_read_input_tokens", u.CachedTokens)
	p.raw("$ai_cache_creation_input_tokens", u.CacheWriteTokens)
	if u.CachedTokens != nil || u.CacheWriteTokens != nil {
		p.key("$ai_cache_reporting_exclusive")
		p.out = strconv.AppendBool(p.out, cacheExclusive)
	}
	p.raw("$ai_reasoning_tokens", u.ReasoningTokens)
	p.raw("$ai_web_search_count", u.WebSearches)
	p.raw("$ai_input_cost_usd", u.InputCost)
	p.raw("$ai_output_cost_usd", u.OutputCost)
	if u.Cost != nil {
		p.raw("$ai_total_cost_usd", u.Cost)
		p.flag("$ai_cost_passthrough")
	}
}

// failure writes the error as a string: PostHog makes null of an object.
func (p *properties) failure(r *record.Record) {
	if r.HTTPStatus != 0 {
		p.key("$ai_http_status")
		p.out = strconv.AppendInt(p.out, int64(r.HTTPStatus), 10)
	}
	if !r.Failed() {
		return
	}
	p.flag("$ai_is_error")
	if f := r.Failure; f != nil {
		p.text("$ai_error", firstNonEmpty(f.Message, f.Code, f.Type, "error"))
		p.text("$ai_error_type", firstNonEmpty(f.Type, f.Code))
	}
}

func firstNonEmpty(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

func (p *properties) groups(groups []record.Group) {
	if len(groups) == 0 {
		return
	}
	p.key("$groups")
	p.out = append(p.out, '{')
	for i, g := range groups {
		if i > 0 {
			p.out = append(p.out, ',')
		}
		p.out = append(rawjson.AppendString(p.out, g.Type), ':')
		p.out = rawjson.AppendString(p.out, g.Key)
	}
	p.out = append(p.out, '}')
}

// dropped tells the owner, in PostHog itself, which fields were left out.
func (p *properties) dropped(paths []string) {
	if len(paths) == 0 {
		return
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(paths)))
	p.key("hogcast_dropped_fields")
	p.out = append(p.out, '[')
	for i, path := range sorted[:min(len(sorted), maxDroppedFields)] {
		if i > 0 {
			p.out = append(p.out, ',')
		}
		p.out = rawjson.AppendString(p.out, rawjson.Cut(path, 128))
	}
	p.out = append(p.out, ']')
}
