package canary_test

import (
	"fmt"
	"strings"
)

// address is the canary of a tenant.
func address(tenant string) string { return canary + "-" + tenant + "@leak.example" }

// hidden is the same, each character escaped.
func hidden(tenant string) string {
	var b strings.Builder
	for _, c := range address(tenant) {
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	return b.String()
}

// content are the members of a record that hold content, a canary in each: %[1]s,
// %[2]s the same in escapes, %[3]s the same in escapes of JSON in a string.
var content = []string{
	`"messages":[{"role":"user","content":"%[1]s"},{"role":"user","content":[{"type":"text","text":"a\n%[2]s\n"}]},"%[1]s",{"%[1]s":["%[2]s",{"%[2]s":1}]}],"input":"%[1]s","prompt":["%[1]s"]`,
	`"input":"%[2]s"`,
	`"prompt":"to <%[1]s>, \u0022%[2]s\u0022"`,
	`"choices":[{"index":0,"message":{"role":"assistant","content":"%[1]s","refusal":"%[1]s","tool_calls":[{"id":"c","function":{"name":"%[1]s","arguments":"{\"to\":\"%[3]s\",\"%[1]s\":[\"%[1]s\"]}"}}]},"finish_reason":"%[1]s"}]`,
	`"output":"%[1]s"`,
	`"tools":[{"type":"function","function":{"name":"%[1]s","description":"%[1]s","parameters":{"properties":{"%[1]s":{"default":"%[2]s"}}}}},"%[1]s"]`,
	`"error":{"code":"%[1]s","type":"%[1]s","message":"the prompt was %[1]s"}`,
	`"error":"%[2]s","http_status":500`,
	`"stop":["%[1]s"],"response_format":{"%[1]s":"%[1]s"},"tool_choice":{"function":{"name":"%[1]s"}},"reasoning":{"x":"%[2]s"},"service_tier":"%[1]s"`,
	`"finish_reason":"%[1]s"`,
	`"x_unknown":"%[1]s","%[1]s":1,"messages2":[{"%[2]s":"%[1]s"}],"Messages":"%[1]s"`,
	// of the wrong type
	`"messages":{"x":"%[1]s"},"choices":7,"tools":"%[1]s","usage":"%[1]s","latency_ms":"%[1]s","user":{"%[1]s":1},"session_id":["%[1]s"],"api_key_id":{"x":"%[1]s"},"stream":"%[1]s","top_p":"%[1]s","error":["%[1]s"],"provider":["%[1]s"],"cancelled":"%[1]s"`,
	`"groups":{"%[1]s":{}},"error":{"message":["%[1]s"]},"usage":{"prompt_tokens":"%[1]s","%[1]s":1}`,
}

// metadata holds canaries where Privacy Mode lets things through and redaction
// does not.
var metadata = []string{
	`"trace":{"trace_name":"%[1]s","generation_name":"%[2]s","k":"%[1]s","%[1]s":{"%[2]s":["%[3]s"]}}`,
	`"trace":"%[1]s"`,
	`"trace":["%[2]s"],"groups":{"%[1]s":"%[1]s"},"model":"%[1]s","provider":"%[1]s","response_model":"%[1]s","base_url":"https://h.example/%[2]s"`,
}

// broken are records that can't be read. %[4]s is the tenant, %[5]s an id.
var broken = []string{
	`%[1]s`,
	`{"id":"%[5]s","tenant":"%[4]s","created_at":"2026-01-02T03:04:05Z","model":"m","messages":"%[1]s"`,
	`{"id":"%[5]s","tenant":"%[4]s","created_at":"%[1]s","model":"m"}`,
	`{"id":"%[5]s","tenant":"%[4]s","created_at":"2026-01-02T03:04:05Z","model":["%[1]s"],"prompt":"%[2]s"}`,
	`{"id":"%[5]s","tenant":"somebody","created_at":"2026-01-02T03:04:05Z","model":"m","prompt":"%[1]s"}`,
	`["%[1]s"]`,
	`{"id":["%[1]s"],"tenant":"%[4]s","created_at":"2026-01-02T03:04:05Z","model":"m"}`,
}

// render fills a template in; what it does not use is cut off again.
func render(template, tenant, id string) string {
	nested := strings.ReplaceAll(hidden(tenant), `\`, `\\`)
	return strings.NewReplacer(`%[1]s`, address(tenant), `%[2]s`, hidden(tenant), `%[3]s`, nested, `%[4]s`, tenant, `%[5]s`, id).Replace(template)
}

// records makes a record of each list of members, by id.
func records(tenant, batch string, lists ...[]string) map[string]string {
	all := map[string]string{}
	for i, list := range lists {
		for k, members := range list {
			id := fmt.Sprintf("%s-%d-%d", batch, i, k)
			all[id] = render(`{"id":"%[5]s","tenant":"%[4]s","created_at":"2026-01-02T03:04:05Z","model":"m",`+members+`}`, tenant, id)
		}
	}
	return all
}

// unreadable makes records that can't be read, by id.
func unreadable(tenant, batch string) map[string]string {
	all := map[string]string{}
	for k, template := range broken {
		id := fmt.Sprintf("%s-broken-%d", batch, k)
		all[id] = render(template, tenant, id)
	}
	return all
}
