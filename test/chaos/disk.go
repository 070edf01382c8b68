package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hogcast/hogcast/test/chaos/netns"
)

// diskSize is what a node may store: a run of minutes fits, with the logs of
// three replicas, and a ballast fills the rest within a second.
const diskSize = 512 << 20

// disk is the folder that a node's store is in.
func (c *cluster) disk(n *node) string { return filepath.Join(c.dir, fmt.Sprintf("disk-%d", n.index)) }

func (c *cluster) store(n *node) string {
	if c.site.spread() {
		return filepath.Join(c.disk(n), "store")
	}
	return c.file(n, "store")
}

// ejectDisks takes the nodes' disks away; what is on them may be kept.
func (c *cluster) ejectDisks(keep bool) {
	for _, n := range c.nodes {
		if !n.hasDisk {
			continue
		}
		if keep {
			_ = os.CopyFS(c.file(n, "store"), os.DirFS(c.store(n))) // as much as can be had
		}
		_ = netns.Eject(c.disk(n)) // it goes with this process at the latest
		_ = os.Remove(c.disk(n))
	}
}

// replace loses a node with all that it stored, and has an empty one take its
// place after a while. It returns when that is current, or ctx ends.
func (c *cluster) replace(ctx context.Context, n *node, away time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.proc.kill()
	if err := os.RemoveAll(c.store(n)); err != nil {
		return fmt.Errorf("losing the store of nats-%d: %w", n.index, err)
	}
	pause(ctx, away)
	if err := c.run(n); err != nil {
		return err
	}
	poll(ctx, 200*time.Millisecond, func() bool { return c.current(ctx) })
	return nil
}

// fillAll fills every node's disk for a while.
func (c *cluster) fillAll(ctx context.Context, d time.Duration) error {
	errs := make([]error, len(c.nodes))
	var filling sync.WaitGroup
	for i, n := range c.nodes {
		filling.Go(func() { errs[i] = c.fill(ctx, n, d) })
	}
	filling.Wait()
	return errors.Join(errs...)
}

// fill fills a node's disk for a while, whatever it makes room for meanwhile.
// Then room is made, and the node is restarted where it does not come back by
// itself, as whoever is on call would.
func (c *cluster) fill(ctx context.Context, n *node, d time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	ballast := filepath.Join(c.disk(n), "ballast")
	full, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err := fillUp(full, ballast)
	if err := errors.Join(err, os.Remove(ballast)); err != nil {
		return fmt.Errorf("filling the disk of nats-%d: %w", n.index, err)
	}
	return c.recover(context.WithoutCancel(ctx), n)
}

// fillUp writes to a file, and more whenever there is room, until ctx ends.
func fillUp(ctx context.Context, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for size := len(block); ; {
		switch _, err := f.Write(block[:size]); {
		case err == nil:
			continue
		case !errors.Is(err, syscall.ENOSPC):
			return err
		}
		if size > 1<<12 {
			size = 1 << 12
		} else if !pause(ctx, 20*time.Millisecond) {
			return nil
		}
	}
}

// Room is enough for a node that is only slow; one that has turned JetStream
// off, has left, or does not become healthy is restarted.
const (
	recoverWithin = 4 * time.Second
	restartWithin = 20 * time.Second
)

// recover sees that a node with room again works again.
func (c *cluster) recover(ctx context.Context, n *node) error {
	soon, cancel := context.WithTimeout(ctx, recoverWithin)
	defer cancel()
	if n.storing(ctx) && poll(soon, 200*time.Millisecond, func() bool { return n.healthy(soon) }) {
		return nil
	}
	c.mu.Lock()
	c.restarted++
	c.mu.Unlock()
	n.proc.terminate(restartWithin)
	if err := c.run(n); err != nil {
		return err
	}
	later, cancel := context.WithTimeout(ctx, restartWithin)
	defer cancel()
	poll(later, 200*time.Millisecond, func() bool { return n.healthy(later) })
	return nil
}

// stored is what a node tells of JetStream; of /jsz.
type stored struct {
	Disabled  bool `json:"disabled"`
	Streams   int  `json:"streams"`
	Consumers int  `json:"consumers"`
}

// storing reports whether a node answers, with JetStream on.
func (n *node) storing(ctx context.Context) bool {
	s, err := n.ask(ctx)
	return err == nil && !s.Disabled
}

func (n *node) ask(ctx context.Context) (s stored, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.health+"/jsz", nil)
	if err != nil {
		return s, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return s, fmt.Errorf("what nats-%d stores: %w", n.index, err)
	}
	return s, nil
}

// current reports whether every node is healthy, and has as many streams as
// the others: an empty one is healthy before it is told of them.
func (c *cluster) current(ctx context.Context) bool {
	var first stored
	for i, n := range c.nodes {
		s, err := n.ask(ctx)
		if i == 0 {
			first = s
		}
		if err != nil || s.Disabled || s.Streams != first.Streams || !n.healthy(ctx) {
			return false
		}
	}
	return first.Streams > 0
}
