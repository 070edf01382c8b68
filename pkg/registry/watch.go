package registry

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
)

// pollEvery is how often the files are looked at. Polling sees what file
// events miss: swapped links of a ConfigMap, network file systems.
const pollEvery = time.Second

// Files is a registry of destinations in files.
type Files struct {
	path    string
	log     *zap.Logger
	current atomic.Pointer[destination.Set]
	reading sync.Mutex        // held while the files are looked at
	sum     [sha256.Size]byte // of what was read last, good or bad
	// defaults: destinations of AnyTenant stand in where a tenant has none.
	defaults bool
	onChange OnChange
	loads    loads
	problems problems
}

// OnChange is told after a new snapshot is in force, with the destinations that
// are others now, new, or gone; from the registry's own goroutine, which waits
// for it.
type OnChange func(now *destination.Set, changed []destination.ID)

// FilesParams of a registry in files.
type FilesParams struct {
	Path string // a file or a folder
	// Defaults has destinations of the tenant `_` stand in for those of each
	// tenant that has none of its own.
	Defaults bool
	// OnChange, if set, is told after a change is in force.
	OnChange OnChange
	Logger   *zap.Logger
}

// OpenFiles loads the destinations at path for the first time. An entry with a
// problem is logged and left out; a file that can't be read is an error.
func OpenFiles(p FilesParams) (*Files, error) {
	if p.Logger == nil {
		p.Logger = zap.NewNop()
	}
	f := &Files{path: p.Path, log: p.Logger, defaults: p.Defaults, onChange: p.OnChange}
	var err error
	if f.sum, err = fingerprint(p.Path); err != nil {
		return nil, err
	}
	loaded, err := Load(p.Path)
	if err != nil {
		return nil, err
	}
	f.publish(loaded)
	return f, nil
}

// Current is the snapshot in force; never nil.
func (f *Files) Current() *destination.Set { return f.current.Load() }

// Problems are those of the entries that were left out, or whose last good
// version is in force.
func (f *Files) Problems() []EntryProblem { return f.problems.list() }

// Run looks at the files every second until ctx ends, and puts a change in
// force. Files that vanish, are empty or can't be parsed leave the last good
// snapshot in force, with an error in the log.
func (f *Files) Run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.reload()
		}
	}
}

// Listed looks at the files now: whoever had to wait for something else must not
// begin with what they held then.
func (f *Files) Listed(context.Context) error {
	f.reload()
	return nil
}

func (f *Files) reload() {
	f.reading.Lock()
	defer f.reading.Unlock()
	sum, err := fingerprint(f.path)
	if sum == f.sum {
		return
	}
	f.sum = sum
	var loaded *Loaded
	if err == nil {
		loaded, err = Load(f.path)
	}
	if err == nil && len(loaded.Destinations)+len(loaded.Condemned) == 0 && f.Current().Len() > 0 {
		err = fmt.Errorf("%s: no destination left in it", f.path)
	}
	if err != nil {
		f.loads.failed()
		f.log.Error("destinations not reloaded; the last good ones stay in force", zap.Error(err))
		return
	}
	changed := f.publish(loaded)
	if f.onChange != nil && len(changed) > 0 {
		f.onChange(f.Current(), changed)
	}
}

// publish puts in force what was loaded, and tells what is another now.
func (f *Files) publish(loaded *Loaded) []destination.ID {
	next := succeed(f.Current(), loaded)
	var bad []EntryProblem
	for _, p := range loaded.Problems {
		bad = append(bad, EntryProblem{Where: fmt.Sprintf("%s:%d", p.File, p.Line), Problem: p.Text})
		f.log.Error("destination left out", zap.String("file", p.File), zap.Int("line", p.Line), zap.String("problem", p.Text))
	}
	f.problems.set(bad)
	set := next.set
	if f.defaults {
		set = set.WithDefaults()
	}
	f.current.Store(set)
	f.loads.succeeded(loaded.LeftOut)
	f.log.Info("destinations in force", zap.Int("destinations", readable(set)), zap.Int("left_out", loaded.LeftOut))
	if next.kept > 0 {
		f.log.Warn("of entries with problems the last good version stays in force", zap.Int("destinations", next.kept))
	}
	return next.changed
}

// fingerprint sums what the files hold. Where they can't be read, the error's
// text is summed, so that a lasting fault is told once.
func fingerprint(path string) ([sha256.Size]byte, error) {
	h := sha256.New()
	files, err := filesOf(path)
	for _, file := range files {
		if err = regular(file); err != nil {
			break
		}
		var data []byte
		if data, err = readFile(file); err != nil {
			break
		}
		fmt.Fprintf(h, "%q %d ", file, len(data))
		h.Write(data)
	}
	if err != nil {
		return sha256.Sum256([]byte(err.Error())), err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
