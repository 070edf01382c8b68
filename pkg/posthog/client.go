package posthog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/posthog/posthog-go"

	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// path is where a batch goes, and with it the protocol.
type path string

const (
	pathV1    path = "/i/v1/analytics/events"
	pathBatch path = "/batch/"
)

func (p path) mode() posthog.CaptureMode {
	if p == pathV1 {
		return posthog.CaptureModeAnalyticsV1
	}
	return posthog.CaptureModeLegacy
}

// What an SDK client knows in the place of a destination's key and endpoint:
// our round trip puts those in.
const (
	stubKey      = "phc_stub"
	stubEndpoint = "https://stub.invalid"
)

// The properties of stubs, which the SDK copies; those that it makes options of.
var (
	stubPlain      = posthog.Properties{"$ignore_sent_at": true}
	stubPersonless = posthog.Properties{"$ignore_sent_at": true, event.PersonProfile: false}
)

// client is one SDK client. It serves one exchange at a time, of any
// destination.
type client struct {
	sdk     posthog.Client
	path    path
	used    time.Time
	current atomic.Pointer[exchange]
}

// newClient makes an SDK client that sends only when it is told to, once, and
// through us. Its memory is its queues: 100 × 56 B of messages.
func newClient(p path) (*client, error) {
	c := &client{path: p}
	sdk, err := posthog.NewWithConfig(stubKey, posthog.Config{
		Endpoint:            stubEndpoint,
		CaptureMode:         p.mode(),
		Transport:           c,
		Callback:            c,
		Logger:              silence{},               // its log prints whole messages
		Interval:            365 * 24 * time.Hour,    // only our flush sends
		BatchSize:           MaxBatchEvents + 1,      // the same
		MaxQueueSize:        MaxBatchEvents + 1,      // one batch
		MaxEnqueuedRequests: 1,                       // one Send at a time
		BatchSubmitTimeout:  -1,                      // never wait for a place
		BatchUploadTimeout:  -1,                      // the context of Send bounds it
		MaxRetries:          new(0),                  // retry has one home, not here
		RetryAfter:          noWait,                  //
		Compression:         posthog.CompressionNone, // ours is faster
		IsServer:            new(false),              // the worker is not the tenant's
		DisableGeoIP:        new(false),              // the mapper's business
	})
	if err != nil {
		return nil, fmt.Errorf("configuring the SDK: %w", err)
	}
	c.sdk = sdk
	return c, nil
}

func noWait(int) time.Duration { return 0 }

// run passes the exchange's events through the SDK. It returns false where the
// SDK did not come back in time: then neither client nor exchange may be used
// again.
func (c *client) run(x *exchange, limit time.Duration) bool {
	c.current.Store(x)
	for i, e := range x.events {
		stub := posthog.Capture{
			Uuid: e.UUID, Event: e.Name, DistinctId: e.DistinctID, Timestamp: e.Timestamp,
			Properties: stubPlain,
		}
		if e.Personless {
			stub.Properties = stubPersonless
		}
		if err := c.sdk.Enqueue(stub); err != nil {
			x.fail(i, err)
		}
	}
	// The exchange's own context ends the request; this one only guards
	// against an SDK that never calls back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.ctx), limit)
	defer cancel()
	if err := c.sdk.FlushWithContext(ctx); err != nil {
		return false
	}
	c.current.Store(nil)
	return true
}

// close ends the SDK client at once: nothing is in flight in it, and a context
// that is over spares the SDK's wait of 100 ms.
func (c *client) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.sdk.CloseWithContext(ctx) // says that ctx was over
}

// RoundTrip implements http.RoundTripper for the SDK.
func (c *client) RoundTrip(req *http.Request) (*http.Response, error) {
	x := c.current.Load()
	if x == nil {
		_ = req.Body.Close()
		return nil, errNotOurs
	}
	return x.roundTrip(req)
}

// Success implements posthog.Callback.
func (c *client) Success(msg posthog.APIMessage) {
	if x, i := c.find(msg); x != nil {
		x.confirm(i)
	}
}

// Failure implements posthog.Callback.
func (c *client) Failure(msg posthog.APIMessage, err error) {
	if x, i := c.find(msg); x != nil {
		x.fail(i, err)
	}
}

func (c *client) find(msg posthog.APIMessage) (*exchange, int) {
	x := c.current.Load()
	capture, ok := msg.(posthog.CaptureInApi)
	if x == nil || !ok {
		return nil, 0
	}
	i, ok := x.index[capture.Uuid]
	if !ok {
		return nil, 0
	}
	return x, i
}

// unsent judges an event that the SDK refused before any request. The SDK's
// own words may quote the message, so they are not passed on.
func unsent(err error) outcome.Verdict {
	switch {
	case errors.Is(err, posthog.ErrMessageTooBig):
		return bury(outcome.EventTooLarge, "over the SDK's cap of 500,000 bytes")
	case errors.Is(err, posthog.ErrSDKDisabled):
		return hold(outcome.Unauthorized, "api_key: empty")
	case errors.Is(err, posthog.ErrQueueFull), errors.Is(err, posthog.ErrTooManyRequests), errors.Is(err, posthog.ErrClosed):
		return retry(outcome.NoVerdict, "not sent: "+err.Error())
	}
	return bury(outcome.Unencodable, "the SDK could not encode it")
}

// silence is a posthog.Logger that says nothing.
type silence struct{}

func (silence) Debugf(string, ...any) {}
func (silence) Logf(string, ...any)   {}
func (silence) Warnf(string, ...any)  {}
func (silence) Errorf(string, ...any) {}
