package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// PostHog takes a distinct id of at most 200 bytes (v1 drops the event, the
// legacy path cuts the id, which would make one person of many).
const (
	maxDistinctID  = 200
	keptDistinctID = 160
)

// junkIDs lose person processing in PostHog, and count as no user here.
// Compared trimmed and in lower case.
var junkIDs = map[string]bool{
	"": true, "anonymous": true, "guest": true, "distinctid": true, "distinct_id": true, "id": true,
	"not_authenticated": true, "email": true, "undefined": true, "true": true, "false": true,
	"null": true, "none": true, "nil": true, "0": true, "[object object]": true, "nan": true,
	"00000000-0000-0000-0000-000000000000": true,
}

type identity struct {
	distinctID string
	personless bool
	shortened  bool
}

// identify names the event's person. Without a user it is an id derived from
// the session, else the trace, and no person is made of it.
func identify(r *record.Record, traceID string) identity {
	if junkIDs[strings.ToLower(strings.TrimSpace(r.User))] {
		from := r.SessionID
		if from == "" {
			from = traceID
		}
		return identity{distinctID: uuid.NewSHA1(namespace, []byte(from)).String(), personless: true}
	}
	if len(r.User) <= maxDistinctID {
		return identity{distinctID: r.User}
	}
	sum := sha256.Sum256([]byte(r.User))
	return identity{
		distinctID: rawjson.Cut(r.User, keptDistinctID) + "~" + hex.EncodeToString(sum[:16]),
		shortened:  true,
	}
}
