package record

import "github.com/hogcast/hogcast/pkg/rawjson"

// usage reads `usage` in OpenAI's shape, with input_tokens and output_tokens
// as other names; of two names the first that is present counts.
func (d *decoder) usage() {
	v := d.kind(fieldUsage, rawjson.IsObject)
	if v == nil {
		return
	}
	top := d.members("usage", v)
	u := &d.record.Usage
	u.PromptTokens = top.count(firstPresent(top, "prompt_tokens", "input_tokens"))
	u.CompletionTokens = top.count(firstPresent(top, "completion_tokens", "output_tokens"))
	u.TotalTokens = top.count("total_tokens")
	prompt := top.object("prompt_tokens_details")
	u.CachedTokens = prompt.count("cached_tokens")
	u.CacheWriteTokens = prompt.count("cache_write_tokens")
	u.ReasoningTokens = top.object("completion_tokens_details").count("reasoning_tokens")
	u.Cost = top.number("cost")
	costs := top.object("cost_details")
	u.InputCost = costs.number("input_cost")
	u.OutputCost = costs.number("output_cost")
	u.WebSearches = top.object("server_tool_use").count("web_search_requests")
}

// members are the members of one object of the record.
type members struct {
	decoder *decoder
	path    string
	raw     Value // nil: no such object
}

func (d *decoder) members(path string, raw Value) members { return members{d, path, raw} }

// get returns a member's value; nil where it is absent or null.
func (m members) get(name string) Value {
	if m.raw == nil {
		return nil
	}
	if v := rawjson.Member(m.raw, name); !rawjson.IsNull(v) {
		return v
	}
	return nil
}

func (m members) count(name string) Number { return m.decoder.count(m.path+"."+name, m.get(name)) }

func (m members) number(name string) Number { return m.decoder.numberAt(m.path+"."+name, m.get(name)) }

func (m members) object(name string) members {
	v := m.get(name)
	path := m.path + "." + name
	if v != nil && !rawjson.IsObject(v) {
		m.decoder.drop(path)
		v = nil
	}
	return members{m.decoder, path, v}
}

func firstPresent(m members, first, second string) string {
	if m.get(first) == nil && m.get(second) != nil {
		return second
	}
	return first
}
