package record

import (
	"bytes"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

// field is a place in the schema.
type field int

// The schema's top-level fields, in its order.
const (
	fieldID field = iota
	fieldTenant
	fieldCreatedAt
	fieldModel
	fieldType
	fieldProvider
	fieldAPIKeyID
	fieldUser
	fieldSessionID
	fieldTrace
	fieldMessages
	fieldInput
	fieldPrompt
	fieldChoices
	fieldOutput
	fieldTools
	fieldUsage
	fieldLatencyMS
	fieldTimeToFirstTokenMS
	fieldResponseModel
	fieldCancelled
	fieldCacheInclusive
	fieldStream
	fieldTemperature
	fieldMaxTokens
	fieldTopP // the first of the parameters that go to $ai_model_parameters
	fieldTopK
	fieldMinP
	fieldMaxCompletionTokens
	fieldFrequencyPenalty
	fieldPresencePenalty
	fieldRepetitionPenalty
	fieldSeed
	fieldN
	fieldTopLogprobs
	fieldLogprobs
	fieldParallelToolCalls
	fieldStop
	fieldResponseFormat
	fieldToolChoice
	fieldReasoning
	fieldServiceTier // the last of them
	fieldHTTPStatus
	fieldFinishReason
	fieldError
	fieldBaseURL
	fieldRequestURL
	fieldGroups
	fieldCount
)

var fieldNames = [fieldCount]string{
	fieldID: "id", fieldTenant: "tenant", fieldCreatedAt: "created_at", fieldModel: "model",
	fieldType: "type", fieldProvider: "provider", fieldAPIKeyID: "api_key_id",
	fieldUser: "user", fieldSessionID: "session_id", fieldTrace: "trace",
	fieldMessages: "messages", fieldInput: "input", fieldPrompt: "prompt",
	fieldChoices: "choices", fieldOutput: "output", fieldTools: "tools", fieldUsage: "usage",
	fieldLatencyMS: "latency_ms", fieldTimeToFirstTokenMS: "time_to_first_token_ms",
	fieldResponseModel: "response_model", fieldCancelled: "cancelled",
	fieldCacheInclusive: "cache_inclusive", fieldStream: "stream",
	fieldTemperature: "temperature", fieldMaxTokens: "max_tokens",
	fieldTopP: "top_p", fieldTopK: "top_k", fieldMinP: "min_p",
	fieldMaxCompletionTokens: "max_completion_tokens",
	fieldFrequencyPenalty:    "frequency_penalty", fieldPresencePenalty: "presence_penalty",
	fieldRepetitionPenalty: "repetition_penalty", fieldSeed: "seed", fieldN: "n",
	fieldTopLogprobs: "top_logprobs", fieldLogprobs: "logprobs",
	fieldParallelToolCalls: "parallel_tool_calls", fieldStop: "stop",
	fieldResponseFormat: "response_format", fieldToolChoice: "tool_choice",
	fieldReasoning: "reasoning", fieldServiceTier: "service_tier",
	fieldHTTPStatus: "http_status", fieldFinishReason: "finish_reason", fieldError: "error",
	fieldBaseURL: "base_url", fieldRequestURL: "request_url", fieldGroups: "groups",
}

var fieldByName = func() map[string]field {
	m := make(map[string]field, fieldCount)
	for f, name := range fieldNames {
		m[name] = field(f)
	}
	return m
}()

func (f field) name() string { return fieldNames[f] }

// fieldOf finds the field of a quoted key; -1 where the schema has none.
func fieldOf(key []byte) field {
	inner := key[1 : len(key)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		inner = []byte(rawjson.String(key))
	}
	if f, ok := fieldByName[string(inner)]; ok {
		return f
	}
	return -1
}
