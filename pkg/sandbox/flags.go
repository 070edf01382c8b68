package sandbox

import (
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// judgeFlags judges a request to /flags or /decide, which alone know keys.
func (x *exchange) judgeFlags(wire []byte) judgement {
	j := judgement{version: x.r.URL.Query().Get("v")}
	if x.r.Method == http.MethodGet {
		return j
	}
	var body struct {
		Token      *string `json:"token"`
		APIKey     *string `json:"api_key"`
		DistinctID *string `json:"distinct_id"`
	}
	if j.refused = x.readLegacy(wire, &body); j.refused != nil {
		return j
	}
	if j.key, j.refused = legacyKey(body.Token, body.APIKey); j.refused != nil {
		return j
	}
	switch {
	case !x.s.knows(j.key):
		j.refused = &refusal{http.StatusUnauthorized, "unknown_key", "The provided API key is invalid"}
	case strings.TrimSpace(deref(body.DistinctID)) == "":
		j.refused = badRequest("The distinct_id field is missing from the request")
	case x.s.cfg.OverQuota[j.key] == QuotaFlags:
		j.refused = &refusal{http.StatusPaymentRequired, "quota_limited", "feature flag requests are over quota"}
	}
	if x.s.cfg.OldFlags {
		j.version = "1"
	}
	return j
}

func (s *Server) knows(key string) bool {
	if s.known == nil {
		return strings.HasPrefix(key, "phc_")
	}
	return s.known[key]
}

func renderFlags(j *judgement) answer {
	if j.version != "2" {
		return renderDecide(j)
	}
	return answer{status: http.StatusOK, typ: typeJSON, body: []byte(
		`{"errorsWhileComputingFlags":false,"flags":{},"requestId":"` + uuid.NewString() + `"}`)}
}

func renderDecide(*judgement) answer {
	return answer{status: http.StatusOK, typ: typeJSON, body: []byte(
		`{"config":{"enable_collect_everything":true},"errorsWhileComputingFlags":false,` +
			`"featureFlagPayloads":{},"featureFlags":{},"sessionRecording":false,"supportedCompression":["gzip","gzip-js"]}`)}
}
