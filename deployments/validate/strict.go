package main

// strict turns a document of Kubernetes' OpenAPI into JSON Schema that refuses
// unknown fields. What is unlike JSON Schema there: `nullable`, integers or
// strings, and fields that are open on purpose.
func strict(document map[string]any) map[string]any {
	out, _ := rewrite(document, true).(map[string]any)
	return out
}

// combining schemas restrict what their parent describes; closing them would
// refuse the parent's fields.
var combining = map[string]bool{"anyOf": true, "oneOf": true, "allOf": true, "not": true}

func rewrite(node any, closing bool) any {
	switch n := node.(type) {
	case []any:
		out := make([]any, len(n))
		for i, v := range n {
			out[i] = rewrite(v, closing)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(n))
		for key, v := range n {
			switch key {
			case "default", "enum", "example", "required": // values, no schemas
				out[key] = v
			case "properties":
				out[key] = rewriteEach(v, closing)
			default:
				out[key] = rewrite(v, closing && !combining[key])
			}
		}
		return adapt(out, closing)
	}
	return node
}

// rewriteEach rewrites the schemas of properties, whose names are anything.
func rewriteEach(node any, closing bool) any {
	properties, ok := node.(map[string]any)
	if !ok {
		return node
	}
	out := make(map[string]any, len(properties))
	for name, schema := range properties {
		out[name] = rewrite(schema, closing)
	}
	return out
}

func adapt(schema map[string]any, closing bool) map[string]any {
	if schema["x-kubernetes-int-or-string"] == true || schema["format"] == "int-or-string" {
		delete(schema, "type")
		delete(schema, "oneOf")
		schema["type"] = []any{"integer", "string"}
	}
	_, hasProperties := schema["properties"]
	_, hasMore := schema["additionalProperties"]
	open := schema["x-kubernetes-preserve-unknown-fields"] == true || schema["x-kubernetes-embedded-resource"] == true
	if closing && hasProperties && !hasMore && !open {
		schema["additionalProperties"] = false
	}
	if of, ok := schema["type"].(string); ok && schema["nullable"] == true {
		schema["type"] = []any{of, "null"}
	}
	return schema
}
