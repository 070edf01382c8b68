package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/hogcast/hogcast/test/chaos/load"
)

// destinationsFile is the file that the workers watch, and what is in it now.
type destinationsFile struct {
	path  string
	hosts []string // URLs of the sandbox listeners

	mu    sync.Mutex // guards the file itself
	state []*configured
}

// configured is one destination as it stands in the file.
type configured struct {
	*load.Destination
	host    int
	paused  bool
	private bool
	absent  bool
}

func newDestinationsFile(dir string, hosts []string, all []*load.Destination) (*destinationsFile, error) {
	f := &destinationsFile{path: filepath.Join(dir, "destinations.yaml"), hosts: hosts}
	for _, d := range all {
		f.state = append(f.state, &configured{Destination: d, host: d.Host, private: d.Private, absent: d.Change == load.Late})
	}
	return f, f.change(func(*configured) {})
}

func (f *destinationsFile) lock()   { f.mu.Lock() }
func (f *destinationsFile) unlock() { f.mu.Unlock() }

// change edits every destination and writes the file anew, in one step.
func (f *destinationsFile) change(edit func(*configured)) error {
	f.lock()
	defer f.unlock()
	for _, c := range f.state {
		edit(c)
	}
	return f.write(f.render())
}

// spoil puts something else in the file's place, or takes it away, until the
// returned function is called. No worker starts meanwhile: one that can't read
// its destinations rightly refuses to.
func (f *destinationsFile) spoil(text string) (restore func() error, err error) {
	f.lock()
	if text == "" {
		err = os.Remove(f.path)
	} else {
		err = f.write(text)
	}
	return func() error {
		defer f.unlock()
		return f.write(f.render())
	}, err
}

// write replaces the file as a whole: nobody sees half of it.
func (f *destinationsFile) write(text string) error {
	next := f.path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing destinations: %w", err)
	}
	if err := os.Rename(next, f.path); err != nil {
		return fmt.Errorf("writing destinations: %w", err)
	}
	return nil
}

func (f *destinationsFile) render() string {
	var b strings.Builder
	b.WriteString("destinations:\n")
	for _, c := range f.state {
		if c.absent {
			continue
		}
		fmt.Fprintf(&b, "  - tenant: %s\n    name: %s\n    api_key: %s\n    endpoint: %s\n", c.Tenant, c.Name, c.Key, f.hosts[c.host])
		option(&b, "paused", "true", c.paused)
		option(&b, "privacy_mode", "true", c.private)
		option(&b, "protocol", "batch", c.Legacy)
		option(&b, "sampling_rate", strconv.FormatFloat(c.Sampling, 'g', -1, 64), c.Sampling > 0)
		option(&b, "api_keys", fmt.Sprintf("{include: [%s]}", strings.Join(c.Include, ", ")), len(c.Include) > 0)
	}
	return b.String()
}

func option(b *strings.Builder, name, value string, on bool) {
	if on {
		fmt.Fprintf(b, "    %s: %s\n", name, value)
	}
}
