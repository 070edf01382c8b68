package sandbox

import (
	"net/http"
	"strings"
)

// route is one path and how requests to it are judged and answered.
type route struct {
	path     string // without the slash at its end
	methods  string // as the Allow header has them
	wire     int64  // most bytes of a request on the wire
	inflated int64  // and inflated
	ai       bool   // the AI lane: AI event names only, events up to 8 MiB
	v1       bool   // bearer token, all codecs, verdicts, errors in JSON
	judge    func(*exchange, []byte) judgement
	render   func(*judgement) answer // what a judgement that isn't a refusal says
}

// makeRoutes lists what the deployment serves.
func (s *Server) makeRoutes() map[string]*route {
	v1 := route{v1: true, wire: MaxV1WireBytes, inflated: MaxV1BodyBytes, judge: (*exchange).judgeV1, render: renderV1}
	legacy := route{wire: MaxLegacyBytes, inflated: MaxLegacyBytes, judge: (*exchange).judgeLegacy, render: renderLegacy}
	flags := route{wire: MaxLegacyBytes, inflated: MaxLegacyBytes, judge: (*exchange).judgeFlags, render: renderFlags}
	decide := flags
	decide.render = renderDecide
	aiV1, aiLegacy := v1, legacy
	aiV1.ai, aiLegacy.ai = true, true

	routes := map[string]*route{}
	add := func(disabled bool, path, methods string, r route) {
		if disabled {
			return
		}
		r.path, r.methods = trimSlash(path), methods
		if s.cfg.MaxBodyBytes > 0 {
			r.wire = s.cfg.MaxBodyBytes
		}
		if s.cfg.MaxInflatedBytes > 0 {
			r.inflated = s.cfg.MaxInflatedBytes
		}
		routes[r.path] = &r
	}
	add(s.cfg.DisableV1, PathV1, "POST", v1)
	add(s.cfg.DisableV1 || s.cfg.DisableAI, PathV1AI, "POST", aiV1)
	add(s.cfg.DisableBatch, PathBatch, "POST", legacy)
	add(s.cfg.DisableAI, PathAIBatch, "POST", aiLegacy)
	add(s.cfg.DisableFlags, PathFlags, "GET, POST", flags) // GET ignores the token
	add(s.cfg.DisableDecide, PathDecide, "POST", decide)
	return routes
}

// trimSlash takes one slash away: /batch and /batch/ are one path, //batch/ is
// another and served by nobody.
func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }

func (r *route) allows(method string) bool {
	return method == http.MethodPost || method == http.MethodGet && strings.HasPrefix(r.methods, http.MethodGet)
}

// maxAIEvent is the largest AI event of the lane, in bytes of its JSON.
func (r *route) maxAIEvent() int {
	if r.ai {
		return MaxAILaneBytes
	}
	return MaxAIEventBytes
}
