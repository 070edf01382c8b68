package sandbox

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// isAI tells whether an event goes to the AI lane.
func isAI(name string) bool {
	switch name {
	case "$ai_generation", "$ai_embedding", "$ai_span", "$ai_trace", "$ai_metric", "$ai_feedback", "$ai_evaluation":
		return true
	}
	return false
}

// isJunk tells the distinct ids for which PostHog makes no person.
func isJunk(distinctID string) bool {
	switch strings.ToLower(distinctID) {
	case "0", uuid.Nil.String(), "[object object]", "anonymous", "anonymous-user", "backend", "distinct_id",
		"distinctid", "email", "false", "guest", "id", "nan", "none", "not_authenticated", "null", "system",
		"true", "undefined", "user":
		return true
	}
	return false
}

// isRFC3339 is v1's rule for timestamps. A space for the T and lower case are
// within the rule; time.Parse's one-digit hours and decimal commas are not.
func isRFC3339(s string) bool {
	if len(s) < len("2006-01-02T15:04:05Z") || s[13] != ':' || strings.Contains(s, ",") {
		return false
	}
	s = strings.ToUpper(s)
	if s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

// overQuota is the detail with which an event of a key is dropped, "" for none.
func (s *Server) overQuota(key, event string) string {
	switch quota := s.cfg.OverQuota[key]; quota {
	case "", QuotaFlags:
		return ""
	case QuotaLLM:
		if !strings.HasPrefix(event, "$ai_") {
			return ""
		}
		return string(QuotaLLM)
	default:
		return string(QuotaEvents)
	}
}

// cutDistinctID is what legacy does to a long id: over 200 bytes, the first 200
// characters are kept.
func cutDistinctID(id string) string {
	if len(id) <= MaxDistinctID {
		return id
	}
	n := 0
	for i := range id {
		if n == MaxDistinctID {
			return id[:i]
		}
		n++
	}
	return id
}
