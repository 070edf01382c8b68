package seal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// Keys is a ring that follows its file.
type Keys struct {
	file    string
	current atomic.Pointer[Ring]
	failed  string // the last error, so that a lasting one is told once
}

const (
	pollEvery    = time.Second
	maxFileBytes = 64 << 10
)

// Fixed are keys that don't change; of a nil ring, none.
func Fixed(r *Ring) *Keys {
	k := &Keys{}
	k.current.Store(r)
	return k
}

// FromText reads keys from a text, such as a variable of the environment.
func FromText(text string) (*Keys, error) {
	r, err := ParseRing(text)
	if err != nil {
		return nil, fmt.Errorf("secrets keys: %w", err)
	}
	return Fixed(r), nil
}

// FromFile reads keys from a file; Watch follows it. What is no regular file,
// such as a pipe, has them once: it is not read again.
func FromFile(file string) (*Keys, error) {
	r, err := readRing(file)
	if err != nil {
		return nil, err
	}
	k := Fixed(r)
	if regular(file) == nil {
		k.file = file
	}
	return k, nil
}

// regular refuses what could be waited for without an end.
func regular(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("secrets keys: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("secrets keys: %s is no regular file", file)
	}
	return nil
}

func readRing(file string) (*Ring, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("secrets keys: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("secrets keys: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("secrets keys: %s: more than %d bytes", file, maxFileBytes)
	}
	r, err := ParseRing(string(data))
	if err != nil {
		return nil, fmt.Errorf("secrets keys: %s: %w", file, err)
	}
	return r, nil
}

// Ring is the ring in force; nil where there are no keys. Of nil Keys too.
func (k *Keys) Ring() *Ring {
	if k == nil {
		return nil
	}
	return k.current.Load()
}

// Reload reads the file again. A file that can't be read leaves the last good
// ring in force; the same error is returned once. Not for concurrent use.
func (k *Keys) Reload() (changed bool, err error) {
	if k == nil || k.file == "" {
		return false, nil
	}
	var r *Ring
	if err = regular(k.file); err == nil {
		r, err = readRing(k.file)
	}
	if err != nil {
		if err.Error() == k.failed {
			return false, nil
		}
		k.failed = err.Error()
		return false, errors.Join(err, errors.New("the last good keys stay in force"))
	}
	k.failed = ""
	if r.Equal(k.Ring()) {
		return false, nil
	}
	k.current.Store(r)
	return true, nil
}

// Watch looks at the file every second until ctx ends. It tells of each new
// ring after that is in force, and of errors, from its own goroutine.
func (k *Keys) Watch(ctx context.Context, changed func(*Ring), failed func(error)) {
	if k == nil || k.file == "" {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch now, err := k.Reload(); {
		case err != nil:
			failed(err)
		case now:
			changed(k.Ring())
		}
	}
}
