package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hogcast/hogcast/test/chaos/netns"
)

// cluster is nats-server times three, a process each, on file storage.
type cluster struct {
	bin, dir string
	site     *site
	nodes    []*node

	mu        sync.Mutex
	restarted int // nodes, after their disk was full
}

// node is one server; its store outlives its processes.
type node struct {
	index                 int
	client, route, health string // addresses
	hasDisk               bool   // of its own

	mu   sync.Mutex // held over a fault
	proc *process
}

// maxPayload is hogcast's own default.
const maxPayload = 8 << 20

// configure writes the configuration of so many nodes.
func (c *cluster) configure(count int) error {
	ports, err := c.site.ports(3*count, 4222)
	if err != nil {
		return err
	}
	for i := range count {
		at := func(n int) string { return c.site.listen(i, ports[3*i+n]) }
		c.nodes = append(c.nodes, &node{index: i, client: at(0), route: at(1), health: at(2)})
	}
	for _, n := range c.nodes {
		if c.site.spread() {
			if err := netns.Disk(c.disk(n), diskSize); err != nil {
				return err
			}
			n.hasDisk = true
		}
		if err := os.WriteFile(c.file(n, "conf"), []byte(c.config(n)), 0o600); err != nil {
			return fmt.Errorf("configuring nats: %w", err)
		}
	}
	return nil
}

func (c *cluster) file(n *node, ext string) string {
	return filepath.Join(c.dir, fmt.Sprintf("nats-%d.%s", n.index, ext))
}

func (c *cluster) config(n *node) string {
	routes := make([]string, 0, len(c.nodes))
	for _, other := range c.nodes {
		routes = append(routes, "nats://"+other.route)
	}
	return fmt.Sprintf(`server_name: n%d
listen: %s
http: %s
max_payload: %d
write_deadline: 10s
jetstream { store_dir: %q, max_file_store: 8GB, sync_interval: always }
cluster { name: chaos, listen: %s, routes: [%s] }
`, n.index, n.client, n.health, maxPayload, c.store(n), n.route, strings.Join(routes, ", "))
}

// urls are where clients connect.
func (c *cluster) urls() string {
	all := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		all[i] = "nats://" + n.client
	}
	return strings.Join(all, ",")
}

// urlsFrom is where a client on a host connects: to its own node, where that
// answers, which tells it of the others; else to whichever does.
func (c *cluster) urlsFrom(host int) string {
	if !c.site.spread() {
		return c.urls()
	}
	own := c.nodes[host%len(c.nodes)].client
	conn, err := net.DialTimeout("tcp", own, time.Second)
	if err != nil {
		return c.urls()
	}
	_ = conn.Close() // it was only asked
	return "nats://" + own
}

// start starts all nodes and waits until they are healthy.
func (c *cluster) start(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := c.run(n); err != nil {
			return err
		}
	}
	return c.healthy(ctx)
}

func (c *cluster) run(n *node) error {
	var err error
	n.proc, err = start(child{
		name: fmt.Sprintf("nats-%d", n.index), log: c.file(n, "log"), bin: c.bin,
		args: []string{"-c", c.file(n, "conf")}, site: c.site, host: n.index,
	})
	return err
}

// bounce ends a node, by a signal or at once, and starts it again after a
// while. It returns when the node has recovered, or ctx ends.
func (c *cluster) bounce(ctx context.Context, n *node, s syscall.Signal, away time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s == syscall.SIGTERM {
		n.proc.terminate(20 * time.Second)
	} else {
		n.proc.kill()
	}
	pause(ctx, away)
	if err := c.run(n); err != nil {
		return err
	}
	// Whatever is not current after this shows when the run comes to rest.
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	poll(ctx, 200*time.Millisecond, func() bool { return n.healthy(ctx) })
	return nil
}

// freeze stops a node's process for a while.
func (c *cluster) freeze(ctx context.Context, n *node, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.proc.signal(syscall.SIGSTOP)
	pause(ctx, d)
	n.proc.signal(syscall.SIGCONT)
}

// healthy waits until every node says that its streams are current.
func (c *cluster) healthy(ctx context.Context) error {
	for _, n := range c.nodes {
		if !poll(ctx, 100*time.Millisecond, func() bool { return n.healthy(ctx) }) {
			return fmt.Errorf("nats-%d is not healthy: %w", n.index, context.Cause(ctx))
		}
	}
	return nil
}

func (n *node) healthy(ctx context.Context) bool {
	return answers(ctx, "http://"+n.health+"/healthz")
}

// stop ends every node.
func (c *cluster) stop() {
	for _, n := range c.nodes {
		if n.proc != nil {
			n.proc.kill()
		}
	}
}

// died lists nodes that have ended by themselves.
func (c *cluster) died() []string {
	var all []string
	for _, n := range c.nodes {
		select {
		case <-n.proc.done:
			if !n.proc.expected() {
				all = append(all, fmt.Sprintf("%s: %v", n.proc.name, n.proc.err))
			}
		default:
		}
	}
	return all
}

// answers reports whether a URL answers with 200.
func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return errors.Join(resp.Body.Close()) == nil && resp.StatusCode == http.StatusOK
}
