package posthog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// The paths that alone know keys: those that take events take any key of the
// right form.
const (
	pathFlags  = "/flags?v=2"
	pathDecide = "/decide?v=3" // of older PostHogs
)

// maxFlagsBody bounds an answer with all of a project's flags in it.
const maxFlagsBody = 4 << 20

const (
	mendKey      = "copy the Project API key, phc_…, from PostHog's project settings"
	mendEndpoint = "check the endpoint: scheme and host of PostHog itself, or of a proxy that forwards /flags, /batch/ and /i/"
	mendLater    = "test again in a while"
)

// keyAnswer is what one PostHog says of a key.
type keyAnswer struct {
	verdict outcome.Verdict
	known   bool // the key is a project's
	unknown bool // it is none's
	foreign bool // a 2xx that is not PostHog's
	missing bool // a name that DNS does not know
}

// keyStep asks PostHog for the key, and the other cloud where this one does not
// know it. The end is true where the test event would tell nothing more.
func (s *Sender) keyStep(ctx context.Context, dest *destination.Destination, t *ConnectionTest) (Step, bool) {
	here := destination.RegionOf(dest.Endpoint)
	a := s.askKey(ctx, dest)
	switch {
	case a.known:
		t.KeyRegion = here
		return knownStep(a, here), false
	case a.unknown && here != "":
		return s.otherRegion(ctx, dest, t, a), true
	}
	step := keyFault(a)
	return step, step.Result == StepFailed || a.verdict.Status == 0
}

func knownStep(a keyAnswer, here destination.Region) Step {
	step := Step{Result: StepOK, What: "PostHog knows the key", Status: a.verdict.Status}
	if here != "" {
		step.What = fmt.Sprintf("PostHog's %s cloud knows the key", cloud(here))
	}
	if a.verdict.Cause == outcome.PaymentRequired {
		step.What += " (its quota of feature flags is spent, which is no matter here)"
	}
	return step
}

// otherRegion tells whose key it is that this region does not know.
func (s *Sender) otherRegion(ctx context.Context, dest *destination.Destination, t *ConnectionTest, a keyAnswer) Step {
	here := destination.RegionOf(dest.Endpoint)
	other := here.Other()
	step := Step{Result: StepFailed, Status: a.verdict.Status, Cause: a.verdict.Cause, Mend: mendKey}
	if dest.Region != "" {
		step.What = fmt.Sprintf("PostHog's %s cloud does not know the key; the %s cloud was not asked, because the destination is pinned to region %s",
			cloud(here), cloud(other), dest.Region)
		step.Mend += fmt.Sprintf("; if the project is in the %s cloud, endpoint and region have to say so", cloud(other))
		return step
	}
	there := *dest
	there.Endpoint = other.Endpoint()
	switch b := s.askKey(ctx, &there); {
	case b.known:
		t.KeyRegion = other
		step.What = fmt.Sprintf("this is %s key: PostHog's %s cloud does not know it, the %s cloud does", article(other), cloud(here), cloud(other))
		step.Mend = fmt.Sprintf("set endpoint: %s, or use the key of a project in the %s cloud", other, cloud(here))
	case b.unknown:
		step.What = fmt.Sprintf("PostHog knows the key neither in its %s cloud nor in its %s cloud", cloud(here), cloud(other))
	default:
		step.What = fmt.Sprintf("PostHog's %s cloud does not know the key; whether the %s cloud does could not be learned: %s",
			cloud(here), cloud(other), words(b.verdict))
	}
	return step
}

func article(r destination.Region) string {
	if r == destination.RegionEU {
		return "an EU"
	}
	return "a " + cloud(r)
}

func cloud(r destination.Region) string { return strings.ToUpper(string(r)) }

// keyFault tells of an answer that does not know the key, or of none.
func keyFault(a keyAnswer) Step {
	v := a.verdict
	step := Step{Result: StepFailed, Status: v.Status, Cause: v.Cause, What: words(v), Mend: mendFor(v.Cause)}
	switch {
	case a.unknown:
		step.What, step.Mend = "PostHog does not know the key", mendKey
	case a.foreign:
		step.What, step.Mend = "what answers is not PostHog: "+words(v), mendEndpoint
	case v.Cause == outcome.NotServed:
		step.Result = StepUndecided
		step.What = "neither /flags nor /decide is served, so nobody can tell whether the key is right"
		step.Mend = mendEndpoint
	case a.missing:
		step.Mend = "check the endpoint's name"
	case v.Action == outcome.Retry, v.Status/100 == 5:
		step.Result = StepUndecided
		if v.Status/100 == 5 {
			step.Mend = mendLater
		}
	}
	return step
}

// askKey asks /flags, and /decide where that is not served.
func (s *Sender) askKey(ctx context.Context, dest *destination.Destination) keyAnswer {
	a := s.ask(ctx, dest, pathFlags)
	if a.verdict.Cause == outcome.NotServed {
		return s.ask(ctx, dest, pathDecide)
	}
	return a
}

// ask makes one request for a key.
func (s *Sender) ask(ctx context.Context, dest *destination.Destination, path string) keyAnswer {
	if !s.clients.enter() {
		return keyAnswer{verdict: interrupted("the sender is closed")}
	}
	defer s.clients.leave()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
	defer cancel()
	x := &exchange{s: s, ctx: ctx, dest: dest}
	req, err := s.keyRequest(ctx, dest, path)
	if err != nil { // formStep has seen to that
		return keyAnswer{verdict: hold(outcome.Unencodable, x.scrub(err.Error()))}
	}
	res, err := s.transport.roundTrip(dest, req)
	if err != nil {
		var dns *net.DNSError
		return keyAnswer{verdict: x.failure(err), missing: errors.As(err, &dns) && dns.IsNotFound}
	}
	defer func() { _ = res.Body.Close() }()
	return x.judgeKey(res)
}

func (s *Sender) keyRequest(ctx context.Context, dest *destination.Destination, path string) (*http.Request, error) {
	body, err := json.Marshal(struct {
		Token      string `json:"token"`
		DistinctID string `json:"distinct_id"`
	}{dest.APIKey.Reveal(), testDistinctID})
	if err != nil {
		return nil, fmt.Errorf("encoding the question: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, trimSlashes(dest.Endpoint)+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.cfg.UserAgent)
	return req, nil
}

// judgeKey judges an answer of /flags or /decide: by its status and its form.
func (x *exchange) judgeKey(res *http.Response) keyAnswer {
	v := outcome.Verdict{Status: res.StatusCode}
	v.Action, v.Cause = outcome.ForStatus(res.StatusCode)
	err := x.readInto(res, maxFlagsBody)
	switch {
	case v.Action == outcome.Accept && err != nil:
		v = x.unreadable(err)
		v.Status = res.StatusCode
		return keyAnswer{verdict: v, foreign: v.Cause == outcome.UnexpectedBody}
	case v.Action == outcome.Accept && !hasFlags(x.body.Bytes()):
		v = retry(outcome.UnexpectedBody, x.bodyDetail(errors.New("an answer without the flags that PostHog gives")))
		v.Status = res.StatusCode
		return keyAnswer{verdict: v, foreign: true}
	case v.Action != outcome.Accept:
		v.Detail = x.errorDetail(res, x.body.Bytes())
	}
	stranger := v.Cause == outcome.Unauthorized && strings.HasPrefix(strings.ToLower(res.Header.Get("WWW-Authenticate")), "basic")
	if stranger {
		v.Detail = "something before PostHog asks for a user and a password"
	}
	return keyAnswer{
		verdict: v,
		known:   v.Action == outcome.Accept || v.Cause == outcome.PaymentRequired,
		unknown: v.Cause == outcome.Unauthorized && !stranger,
		foreign: stranger,
	}
}

// hasFlags knows the answers of /flags (an object of flags) and of /decide (an
// object, or a list in the oldest ones).
func hasFlags(body []byte) bool {
	var got struct {
		Flags        jsontext.Value `json:"flags"`
		FeatureFlags jsontext.Value `json:"featureFlags"`
	}
	if json.Unmarshal(body, &got, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return false
	}
	return len(got.Flags) > 0 && got.Flags.Kind() == '{' ||
		len(got.FeatureFlags) > 0 && (got.FeatureFlags.Kind() == '{' || got.FeatureFlags.Kind() == '[')
}
