package record

import (
	"strings"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

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

// UserOf reads a record's user, as Decode does, and judges nothing else, so that
// it tells the user of many a record that can't be decoded; "" where there is
// none. The error is a *Malformed.
func UserOf(data []byte) (string, error) {
	var f fields
	if err := f.read(data); err != nil {
		return "", err
	}
	v := f.values[fieldUser]
	switch {
	case v == nil:
		return "", nil
	case rawjson.IsNumber(v):
		return string(v), nil
	case rawjson.IsString(v):
		return rawjson.String(v), nil
	}
	return "", &Malformed{fieldUser.name(), "neither a string nor a number"}
}
