package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/hogcast/hogcast/pkg/config"
)

// progress shows how far something is: a bar on a terminal, elsewhere a line now
// and then. It is for many goroutines.
type progress struct {
	out   io.Writer
	what  string
	quiet bool
	bar   *progressbar.ProgressBar // nil: no terminal

	mu   sync.Mutex
	all  uint64    // 0: not known
	last time.Time // of the last line
}

// lineEach is how often a line is written where there is no terminal.
const lineEach = 10 * time.Second

func newProgress(system *config.System, quiet bool, what string) *progress {
	p := &progress{out: system.Stderr, what: what, quiet: quiet, last: time.Now()}
	if !quiet && config.IsTerminal(system.Stderr) {
		p.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(system.Stderr), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("letters"), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

func (p *progress) shown() bool { return p.bar != nil }

func (p *progress) total(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = n
	if p.bar != nil {
		p.bar.ChangeMax64(int64(n)) //nolint:gosec // no stream has 2⁶³ messages
	}
}

// set tells how many are done. A bar that can't be written is nobody's failure.
func (p *progress) set(done int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.bar != nil:
		_ = p.bar.Set64(done)
	case p.quiet || time.Since(p.last) < lineEach:
	default:
		p.last = time.Now()
		of := ""
		if p.all > 0 {
			of = fmt.Sprintf(" of %d", p.all)
		}
		fmt.Fprintf(p.out, "%s: %d%s\n", p.what, done, of)
	}
}

// say writes a line beside the progress.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.out, text)
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Exit()
		_ = p.bar.Clear()
	}
}

func indentedJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
