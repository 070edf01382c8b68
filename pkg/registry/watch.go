package registry

import (
	"context"
	"crypto/sha256"
	"fmt"
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
	sum     [sha256.Size]byte // of what was read last, good or bad
	// onChange is told after a new snapshot is in force; nil: nobody is.
	onChange func(old, new *destination.Set)
}

// OpenFiles loads the destinations at path for the first time. An entry with a
// problem is logged and left out; a file that can't be read is an error.
func OpenFiles(path string, log *zap.Logger) (*Files, error) {
	if log == nil {
		log = zap.NewNop()
	}
	f := &Files{path: path, log: log}
	f.sum, _ = fingerprint(path)
	loaded, err := Load(path)
	if err != nil {
		return nil, err
	}
	f.publish(loaded)
	return f, nil
}

// Current is the snapshot in force; never nil.
func (f *Files) Current() *destination.Set { return f.current.Load() }

// OnChange has told called after each new snapshot that Watch puts in force, from
// Watch's goroutine, which waits for it. What has not changed is in both sets,
// though not as the same pointers: compare by Revision. Call it before Watch.
func (f *Files) OnChange(told func(old, new *destination.Set)) { f.onChange = told }

// Watch looks at the files every second until ctx ends, and puts a change in
// force. Files that vanish, are empty or can't be parsed leave the last good
// snapshot in force, with an error in the log.
func (f *Files) Watch(ctx context.Context) {
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

// Reload looks at the files now, before Watch runs: whoever had to wait for
// something else must not begin with what they held then.
func (f *Files) Reload() { f.reload() }

func (f *Files) reload() {
	sum, err := fingerprint(f.path)
	if sum == f.sum {
		return
	}
	f.sum = sum
	var loaded *Loaded
	if err == nil {
		loaded, err = Load(f.path)
	}
	if err == nil && len(loaded.Destinations) == 0 && f.Current().Len() > 0 {
		err = fmt.Errorf("%s: no good destination left in it", f.path)
	}
	if err != nil {
		f.log.Error("destinations not reloaded; the last good ones stay in force", zap.Error(err))
		return
	}
	old := f.Current()
	f.publish(loaded)
	if f.onChange != nil {
		f.onChange(old, f.Current())
	}
}

func (f *Files) publish(loaded *Loaded) {
	for _, p := range loaded.Problems {
		f.log.Error("destination left out", zap.String("file", p.File), zap.Int("line", p.Line), zap.String("problem", p.Text))
	}
	f.current.Store(destination.NewSet(loaded.Destinations))
	f.log.Info("destinations in force", zap.Int("destinations", len(loaded.Destinations)), zap.Int("left_out", loaded.LeftOut))
}

// fingerprint sums what the files hold. Where they can't be read, the error's
// text is summed, so that a lasting fault is told once.
func fingerprint(path string) ([sha256.Size]byte, error) {
	h := sha256.New()
	files, err := filesOf(path)
	for _, file := range files {
		data, readErr := readFile(file)
		if readErr != nil {
			err = readErr
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
