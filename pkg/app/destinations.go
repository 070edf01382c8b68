package app

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/pipeline"
	"github.com/hogcast/hogcast/pkg/registry"
)

// destinations are where a worker's destinations are: files, or the bucket.
type destinations interface {
	Current() *destination.Set
	Loads() registry.Loads
	Problems() []registry.EntryProblem
	Run(context.Context)
	// Listed waits until all that there is is in force.
	Listed(context.Context) error
}

// openFiles reads the destinations of files, if they are there, before anything
// else is begun, and watches them from then on: a worker may wait for NATS for
// long, and what was good meanwhile is the last good one when it has waited.
func (w *worker) openFiles() error {
	if w.config.Destinations == "" {
		return nil
	}
	files, err := registry.OpenFiles(registry.FilesParams{
		Path: w.config.Destinations, Defaults: w.config.DefaultDestination, Logger: w.log, OnChange: w.changed,
	})
	if err != nil {
		return err
	}
	w.files = files
	w.background("destinations", files.Run)
	return nil
}

// openBucket looks up the bucket of destinations, if they are there.
func (w *worker) openBucket(ctx context.Context) error {
	if w.config.Destinations != "" {
		return nil
	}
	kv, err := registry.OpenKV(ctx, registry.KVParams{
		Conn: w.conn, Keys: w.config.Secrets.Keys, Defaults: w.config.DefaultDestination, Logger: w.log, OnChange: w.changed,
	})
	if err != nil {
		return err
	}
	w.files, w.asker = kv, kv
	w.background("destinations", kv.Run)
	return nil
}

// followers are the parts that follow changes of destinations; changes that
// come before there are any wait for them.
type followers struct {
	mu    sync.Mutex
	there bool
	early []destination.ID
}

// follow has the parts follow changes from now on, until the worker stops.
func (w *worker) follow() {
	f := &w.followers
	f.mu.Lock()
	defer f.mu.Unlock()
	f.there = true
	if len(f.early) > 0 {
		w.tell(w.files.Current(), f.early)
	}
	w.onStop("followers", func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.there = false
	})
}

// changed is told of a change that is in force.
func (w *worker) changed(now *destination.Set, ids []destination.ID) {
	f := &w.followers
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.there {
		f.early = append(f.early, ids...)
		return
	}
	w.tell(now, ids)
}

// tell has the parts follow a change that is in force.
func (w *worker) tell(now *destination.Set, ids []destination.ID) {
	w.board.Changed(now, ids...)
	w.scrub.Changed(ids)
	if w.config.LimitMemory {
		w.memory.follow(w.config.Window, now.Len())
	}
}

// Current is the snapshot in force.
func (w *worker) Current() *destination.Set { return w.files.Current() }

// asker is nil where destinations are in files: they are all that there is.
var _ pipeline.Asker = (*registry.KV)(nil)

// awaitDestinations waits for the first full list: no record is pulled before.
func (w *worker) awaitDestinations(ctx context.Context) error {
	const patience = 5 * time.Second
	slow := time.AfterFunc(patience, func() { w.log.Warn("waiting for the list of destinations") })
	defer slow.Stop()
	if err := w.files.Listed(ctx); err != nil {
		return err
	}
	if w.config.LimitMemory {
		w.memory.follow(w.config.Window, w.files.Current().Len())
	}
	for _, p := range w.files.Problems() {
		w.log.Debug("an entry is not in force as it stands", zap.String("where", p.Where), zap.String("problem", p.Problem))
	}
	return nil
}
