package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/doctor"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// DoctorParams say what to examine, and how to tell of it.
type DoctorParams struct {
	// System, if set, connects to the system account, whose users may ask every
	// server about itself.
	System *queue.ConnectConfig
	// Monitoring are the servers' monitoring endpoints; ServerConfig is one's
	// configuration file. Both may be empty.
	Monitoring   []string
	ServerConfig string
	// Worker are a worker's settings, or the defaults.
	Worker doctor.WorkerFacts
	// Sample is how long consumers with waiting messages are watched.
	Sample time.Duration
	Accept []string // checks whose findings are known and accepted
	JSON   bool
	Color  bool
	Out    io.Writer
}

// Doctor examines, writes the findings, and returns the worst level.
func Doctor(ctx context.Context, conn *queue.Conn, p DoctorParams) (doctor.Level, error) {
	s := queue.Inspect(ctx, conn, p.Sample)
	s.Nodes, s.NodesErr = p.nodes(ctx)
	s.File = p.file()
	s.Fleet = fleetFacts(ctx, conn, p.Sample)
	s.Worker = sized(p.Worker, s)
	all := doctor.Examine(s)
	doctor.Accept(all, p.Accept)
	report := doctor.Report{Server: s.Server.URL, Findings: all}
	text, err := report.Text(p.Color), error(nil)
	if p.JSON {
		text, err = report.JSON()
	}
	if err == nil {
		_, err = io.WriteString(p.Out, text)
	}
	return doctor.Worst(all), err
}

// nodes asks the servers about themselves, where there is a way to.
func (p DoctorParams) nodes(ctx context.Context) (nodes []doctor.Node, why string) {
	var errs []error
	if len(p.Monitoring) > 0 {
		found, err := queue.Monitoring(ctx, p.Monitoring)
		nodes, errs = found, append(errs, err)
	}
	if p.System != nil {
		found, err := ping(ctx, *p.System)
		if err == nil {
			nodes = found // all of them
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		why = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return nodes, why
}

func ping(ctx context.Context, c queue.ConnectConfig) ([]doctor.Node, error) {
	conn, err := queue.Connect(ctx, c)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return queue.Ping(ctx, conn)
}

func (p DoctorParams) file() doctor.ServerFile {
	if p.ServerConfig == "" {
		return doctor.ServerFile{}
	}
	f := doctor.ServerFile{Path: p.ServerConfig}
	s, err := embedded.ReadFile(p.ServerConfig)
	if err != nil {
		f.Err = err.Error()
		return f
	}
	f.Encrypted, f.Cipher, f.SyncAlways, f.SyncInterval, f.TLS = s.Encrypted, s.Cipher, s.SyncAlways, s.SyncInterval, s.TLS
	return f
}

// Sizes of records, in bytes: the usual one where too few are there to be
// measured, and a large one.
const (
	usualRecord = 4500
	largeRecord = 16 << 10
	// measurable is how many records make an average.
	measurable = 100
)

// sized fills in what depends on the server and on the records that wait.
func sized(w doctor.WorkerFacts, s doctor.Snapshot) doctor.WorkerFacts {
	var messages, bytes uint64
	for _, stream := range s.Streams {
		if stream.Role == doctor.Generations {
			messages, bytes = messages+stream.Messages, bytes+stream.Bytes
		}
	}
	usual := usualRecord
	if messages >= measurable {
		usual = int(bytes / messages) //nolint:gosec // the size of a message
	}
	w.InWindow, w.InWindowAtLeast = queue.InWindow(w.Window, usual), queue.InWindow(w.Window, max(usual, largeRecord))
	w.LeastWindow = queue.LeastWindow(s.Server.MaxPayload)
	w.PullBatch, w.PullWait, w.Heartbeat = queue.PullBatch, queue.PullWait, queue.Heartbeat
	return w
}

// fleetWait bounds the reading of what the workers share.
const fleetWait = 10 * time.Second

// fleetFacts reads what the workers share.
func fleetFacts(ctx context.Context, conn *queue.Conn, sample time.Duration) doctor.FleetFacts {
	f := doctor.FleetFacts{Versions: map[string]int{}, States: map[string]int{}, Reasons: map[string]int{}}
	ctx, cancel := context.WithTimeout(ctx, fleetWait+sample)
	defer cancel()
	err := errors.Join(countWorkers(ctx, conn, &f), countStates(ctx, conn, &f))
	if err == nil {
		f.Asleep, err = asleep(ctx, conn, sample)
	}
	switch {
	case errors.Is(err, queue.ErrNotSetUp):
		f.Answer = doctor.Missing
	case errors.Is(err, queue.ErrPermission):
		f.Answer = doctor.Refused
	case err != nil:
		f.Answer = doctor.Silent
	}
	if err != nil {
		f.Detail = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return f
}

func countWorkers(ctx context.Context, conn *queue.Conn, f *doctor.FleetFacts) error {
	bucket, err := conn.Bucket(ctx, queue.BucketWorkers)
	if err != nil {
		return err
	}
	return bucket.Each(ctx, func(e queue.Entry) {
		f.Workers++
		var beat fleet.Beat // older workers tell the time alone
		if json.Unmarshal(e.Value, &beat) == nil && beat.Version != "" {
			f.Versions[beat.Version]++
		}
	})
}

func countStates(ctx context.Context, conn *queue.Conn, f *doctor.FleetFacts) error {
	return eachState(ctx, conn, func(key string, s health.Status) {
		own := !strings.HasPrefix(key, queue.NoToken)
		switch {
		case s.State == health.Healthy: // an operator's pardon
		case s.Reason == outcome.Guarded && s.Blocked():
			f.Guards++
		case !own:
			f.Hosts++
		}
		if own && s.State != health.Healthy {
			f.States[string(s.State)]++
			if s.Blocked() {
				f.Reasons[string(s.Reason)]++
			}
		}
	})
}

// asleep counts held subjects that have no wake-up, now and a moment later: a
// wake-up follows what is parked.
func asleep(ctx context.Context, conn *queue.Conn, again time.Duration) (int, error) {
	first, err := sleepers(ctx, conn)
	if err != nil || len(first) == 0 {
		return 0, err
	}
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(max(again, time.Second)):
	}
	still, err := sleepers(ctx, conn)
	n := 0
	for wakeup := range still {
		if first[wakeup] {
			n++
		}
	}
	return n, err
}

func sleepers(ctx context.Context, conn *queue.Conn) (map[string]bool, error) {
	missing := map[string]bool{}
	for _, stream := range []string{queue.StreamHeld, queue.StreamHeldHosts} {
		held, err := conn.CountBySubject(ctx, stream, ">")
		if err != nil {
			return nil, err
		}
		for subject := range held {
			host, tenant, destination, ok := queue.ParseHeldSubject(subject)
			switch {
			case ok && host != "":
				missing[queue.HostWakeupSubject(host)] = true
			case ok:
				missing[queue.WakeupSubject(tenant, destination)] = true
			}
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	wakeups, err := conn.CountBySubject(ctx, queue.StreamWakeups, ">")
	for subject := range wakeups {
		delete(missing, subject)
	}
	return missing, err
}
