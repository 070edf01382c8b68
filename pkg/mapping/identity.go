package mapping

import (
	"crypto/sha256"
	"encoding/hex"

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

type identity struct {
	distinctID string
	personless bool
	shortened  bool
}

// identify names the event's person. Without a user it is an id derived from
// the session, else the trace, and no person is made of it.
func identify(r *record.Record, traceID string) identity {
	if !record.NamesUser(r.User) {
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
