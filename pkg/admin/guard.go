package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// ReleaseGuardParams say for what the poison guard is to be released.
type ReleaseGuardParams struct {
	Cause       string // as `hogcast health` shows it; "": any
	Tenant      string // with Destination: only that destination's guard; "": any
	Destination string
	Now         time.Time
	Out         io.Writer
}

func (p ReleaseGuardParams) matches(key string, s health.Status) bool {
	if s.Reason != outcome.Guarded || !s.Blocked() || p.Cause != "" && s.Detail != p.Cause {
		return false
	}
	return p.Tenant == "" || key == p.Tenant+"."+p.Destination
}

// ErrNoGuard says that no guard that matches is on.
var ErrNoGuard = errors.New("no poison guard that matches is on; `hogcast health` shows them")

// ReleaseGuard takes the poison guard off, for an hour: what it holds is tried
// again, and buried where PostHog still refuses it.
func ReleaseGuard(ctx context.Context, conn *queue.Conn, p ReleaseGuardParams) error {
	keys := map[string]health.Status{}
	if err := eachState(ctx, conn, func(key string, s health.Status) {
		if p.matches(key, s) {
			keys[key] = s
		}
	}); err != nil {
		return err
	}
	if len(keys) == 0 {
		return ErrNoGuard
	}
	bucket, err := conn.Bucket(ctx, queue.BucketState)
	if err != nil {
		return err
	}
	pardon, err := json.Marshal(health.Pardon(p.Now))
	if err != nil {
		return err
	}
	released := make(map[string]bool, len(keys))
	for key, s := range keys {
		released[key] = true
		if err := bucket.Set(ctx, key, pardon); err != nil {
			return err
		}
		fmt.Fprintf(p.Out, "released %s: %s\n", key, s.Detail)
	}
	fmt.Fprintln(p.Out, "off for an hour: what it held is tried again, and dead-lettered where it is still refused; see hogcast health")
	return wakeGuarded(ctx, conn, released)
}

// wakeGuarded has what is held looked at again. What the guard holds of a
// destination that is released sleeps in its drain's consumer, which is made
// anew; the rest is awake within a minute.
func wakeGuarded(ctx context.Context, conn *queue.Conn, released map[string]bool) error {
	held, err := conn.CountBySubject(ctx, queue.StreamHeld, ">")
	if err != nil {
		return err
	}
	for subject := range held {
		_, tenant, name, ok := queue.ParseHeldSubject(subject)
		if !ok {
			continue
		}
		if released[tenant+"."+name] || name == queue.NoToken {
			if err := conn.EndDrain(ctx, subject); err != nil {
				return err
			}
		}
		if err := conn.Rouse(ctx, queue.WakeupSubject(tenant, name)); err != nil {
			return err
		}
	}
	return nil
}
