package scrub

import (
	"context"
	"errors"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
)

// ErrKilled ends a scan that a test kills.
var ErrKilled = errors.New("killed")

// ScanUntil scans as a runner does that is killed after so many messages.
func ScanUntil(ctx context.Context, conn *queue.Conn, r Registry, messages uint64) error {
	id := destination.ID{Tenant: "acme", Name: "main"}
	var tally Tally
	s := scan{conn: conn, letters: deadletter.NewWriter(conn, 1<<20), rules: privacy.RulesOf(r.Current().Get(id)), tally: &tally}
	s.shared = privacy.RulesOfAll(r.Current().Of(id.Tenant))
	s.step = func() error {
		if tally.Rewritten >= messages {
			return ErrKilled
		}
		return nil
	}
	for _, p := range placesOf(id) {
		if _, err := s.through(ctx, p, 0); err != nil {
			return err
		}
	}
	return nil
}
