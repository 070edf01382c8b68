package record

import "strings"

// junkUsers are PostHog's junk ids, which lose person processing there: they
// name nobody. Trimmed and in lower case.
var junkUsers = map[string]bool{
	"": true, "anonymous": true, "guest": true, "distinctid": true, "distinct_id": true, "id": true,
	"not_authenticated": true, "email": true, "undefined": true, "true": true, "false": true,
	"null": true, "none": true, "nil": true, "0": true, "[object object]": true, "nan": true,
	"00000000-0000-0000-0000-000000000000": true,
}

// NamesUser reports whether an id names a user; the empty id and PostHog's junk
// ids name none.
func NamesUser(id string) bool { return !junkUsers[strings.ToLower(strings.TrimSpace(id))] }
