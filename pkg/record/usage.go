package record

import "github.com/hogcast/hogcast/pkg/rawjson"

// The members of `usage` that are read, in OpenAI's shape; input_tokens and
// output_tokens are other names of the first two.
var (
	usageNames = []string{
		"prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "total_tokens",
		"prompt_tokens_details", "completion_tokens_details", "cost", "cost_details", "server_tool_use",
	}
	promptNames     = []string{"cached_tokens", "cache_write_tokens"}
	completionNames = []string{"reasoning_tokens"}
	costNames       = []string{"input_cost", "output_cost"}
	serverNames     = []string{"web_search_requests"}
)

func (d *decoder) usage() {
	v := d.kind(fieldUsage, rawjson.IsObject)
	if v == nil {
		return
	}
	var in [10]Value
	pick(v, usageNames, in[:])
	u := &d.record.Usage
	u.PromptTokens = d.eitherCount(usageNames[:2], in[:2])
	u.CompletionTokens = d.eitherCount(usageNames[2:4], in[2:4])
	u.TotalTokens = d.count("usage.", usageNames[4], in[4])
	var prompt, costs [2]Value
	var completion, server [1]Value
	d.pickNested(usageNames[5], in[5], promptNames, prompt[:])
	u.CachedTokens = d.count("usage.prompt_tokens_details.", promptNames[0], prompt[0])
	u.CacheWriteTokens = d.count("usage.prompt_tokens_details.", promptNames[1], prompt[1])
	d.pickNested(usageNames[6], in[6], completionNames, completion[:])
	u.ReasoningTokens = d.count("usage.completion_tokens_details.", completionNames[0], completion[0])
	u.Cost = d.numberAt("usage.", usageNames[7], in[7])
	d.pickNested(usageNames[8], in[8], costNames, costs[:])
	u.InputCost = d.numberAt("usage.cost_details.", costNames[0], costs[0])
	u.OutputCost = d.numberAt("usage.cost_details.", costNames[1], costs[1])
	d.pickNested(usageNames[9], in[9], serverNames, server[:])
	u.WebSearches = d.count("usage.server_tool_use.", serverNames[0], server[0])
}

// eitherCount reads the first of two names that is present.
func (d *decoder) eitherCount(names []string, values []Value) Number {
	if values[0] == nil && values[1] != nil {
		return d.count("usage.", names[1], values[1])
	}
	return d.count("usage.", names[0], values[0])
}

func (d *decoder) pickNested(name string, v Value, names []string, into []Value) {
	switch {
	case v == nil:
	case rawjson.IsObject(v):
		pick(v, names, into)
	default:
		d.drop("usage.", name)
	}
}

// pick is rawjson.Pick with null taken for absent.
func pick(object Value, names []string, into []Value) {
	var raw [10][]byte // as many names as the longest list has
	rawjson.Pick(object, names, raw[:len(names)])
	for i := range into {
		if !rawjson.IsNull(raw[i]) {
			into[i] = raw[i]
		}
	}
}
