package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// rig is everything that a scenario runs on:
//
//	publisher ──▶ natsd (process) ──▶ worker (process) ──▶ sink, hosts a and b
//	    └────────────── ledger: when published, when accepted ──────┘
//
// It owns the processes and the sampler's goroutine; close ends them.
type rig struct {
	rigParams

	nats      *process
	natsURL   string
	conn      *nats.Conn
	ledger    *ledger
	sink      *sink
	a, b      *host // where tenants' destinations lie
	publisher *publisher
	sampler   *sampler
	worker    *process // nil while none runs
	runs      int      // workers started

	stopSampling context.CancelFunc
	sampling     sync.WaitGroup
}

// rigParams are what a rig is made for.
type rigParams struct {
	options  options
	programs programs
	dir      string // of streams and logs
	tenants  int
	progress io.Writer
}

// newRig starts everything but a worker.
func newRig(ctx context.Context, p rigParams) (*rig, error) {
	r := &rig{rigParams: p, ledger: newLedger(p.tenants)}
	r.sink = newSink(r.ledger, p.tenants)
	if err := r.start(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *rig) start(ctx context.Context) error {
	var err error
	if r.a, err = r.sink.listen("127.0.0.1"); err != nil {
		return err
	}
	// Another address where there is one (on Linux all of 127/8 is), so that it
	// is another host for whoever looks at names without ports.
	if r.b, err = r.sink.listen("127.0.0.2"); err != nil {
		if r.b, err = r.sink.listen("127.0.0.1"); err != nil {
			return err
		}
	}
	if r.nats, err = startProcess(r.dir, "natsd", r.programs.natsd, filepath.Join(r.dir, "jetstream")); err != nil {
		return err
	}
	if r.natsURL, err = r.awaitURL(ctx); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, r.programs.hogcast, "setup", "--nats-url", r.natsURL).CombinedOutput(); err != nil {
		return fmt.Errorf("hogcast setup: %w: %s", err, out)
	}
	if r.conn, err = nats.Connect(r.natsURL, nats.Name("bars"), nats.MaxReconnects(-1)); err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	if r.publisher, err = newPublisher(r.conn, r.ledger, r.options.Seed); err != nil {
		return err
	}
	return r.sample()
}

// awaitURL waits for the server's first line.
func (r *rig) awaitURL(ctx context.Context) (string, error) {
	var url string
	err := poll(ctx, 30*time.Second, func() (bool, error) {
		text, err := os.ReadFile(r.nats.log)
		line, _, whole := strings.Cut(string(text), "\n")
		url = line
		return whole && strings.HasPrefix(line, "nats://"), errors.Join(err, r.nats.alive())
	})
	return url, err
}

func (r *rig) sample() error {
	js, err := jetstream.New(r.conn)
	if err != nil {
		return fmt.Errorf("sampler: %w", err)
	}
	r.sampler = &sampler{js: js, ledger: r.ledger, nats: r.nats.pid()}
	ctx, cancel := context.WithCancel(context.Background())
	r.stopSampling = cancel
	r.sampling.Go(func() { r.sampler.run(ctx) })
	return nil
}

// close ends everything, and leaves files alone. A second call does nothing.
func (r *rig) close() {
	if r.worker != nil {
		_ = r.stopWorker()
	}
	if r.stopSampling != nil {
		r.stopSampling()
		r.sampling.Wait()
	}
	if r.conn != nil {
		r.conn.Close()
	}
	if r.nats != nil {
		_ = r.nats.stop() // its data go with the folder
	}
	for _, h := range []*host{r.a, r.b} {
		if h != nil {
			h.close()
		}
	}
}

func (r *rig) say(format string, args ...any) {
	fmt.Fprintf(r.progress, "%7.1fs  %s\n", seconds(r.ledger.now()), fmt.Sprintf(format, args...))
}

// home is a group of tenants and the host where their destinations lie.
type home struct {
	group span
	host  *host
}

// startWorker starts the worker and waits until it is ready.
func (r *rig) startWorker(ctx context.Context, homes ...home) error {
	file := filepath.Join(r.dir, "destinations.yaml")
	if err := writeDestinations(file, homes); err != nil {
		return err
	}
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	args := append([]string{
		"--nats-url", r.natsURL, "--destinations", file, "--listen", listen,
		"--egress-allow", "127.0.0.0/8", "--log-format", "json",
	}, r.options.WorkerArg...)
	if err := r.spawn("worker", r.programs.worker, args...); err != nil {
		return err
	}
	return poll(ctx, time.Minute, func() (bool, error) {
		return ready(ctx, listen), r.worker.alive()
	})
}

// spawn starts what takes the worker's place.
func (r *rig) spawn(name, program string, args ...string) error {
	r.runs++
	p, err := startProcess(r.dir, fmt.Sprintf("%s-%d", name, r.runs), program, args...)
	if err != nil {
		return err
	}
	r.worker = p
	r.sampler.worker.Store(int64(p.pid()))
	return nil
}

func (r *rig) stopWorker() error {
	if r.sampler != nil {
		r.sampler.worker.Store(0)
	}
	p := r.worker
	r.worker = nil
	return p.stop()
}

// alive is an error once a process is gone that should not be.
func (r *rig) alive() error {
	if r.worker != nil {
		if err := r.worker.alive(); err != nil {
			return err
		}
	}
	return r.nats.alive()
}

func ready(ctx context.Context, addr string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func writeDestinations(file string, homes []home) error {
	var b strings.Builder
	b.WriteString("destinations:\n")
	for _, h := range homes {
		for n := h.group.from; n < h.group.to; n++ {
			fmt.Fprintf(&b, "- {tenant: %s, api_key: %s, endpoint: %q}\n", tenantName(n), apiKey(n), h.host.url())
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("writing destinations: %w", err)
	}
	return nil
}

// freeAddress is a loopback address that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

var errTimeout = errors.New("timed out")

// poll asks until done, an error, or the limit.
func poll(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(limit)
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errTimeout
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
