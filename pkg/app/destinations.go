package app

import (
	"context"
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
// else is begun.
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
	return nil
}

// changed has the parts follow a change that is in force.
func (w *worker) changed(now *destination.Set, ids []destination.ID) {
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
