package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hogcast/hogcast/pkg/doctor"
)

// varz is what we read of a server's monitoring page of that name.
type varz struct {
	Name       string    `json:"server_name"`
	ID         string    `json:"server_id"`
	Version    string    `json:"version"`
	Now        time.Time `json:"now"`
	TLS        bool      `json:"tls_required"`
	SlowClient int64     `json:"slow_consumers"`
	Cluster    struct {
		TLS bool `json:"tls_required"`
	} `json:"cluster"`
	JetStream struct {
		Config *struct {
			SyncAlways   bool          `json:"sync_always"`
			SyncInterval time.Duration `json:"sync_interval"`
			MaxStore     int64         `json:"max_storage"`
		} `json:"config"`
		Stats struct {
			Store uint64 `json:"storage"`
		} `json:"stats"`
		Meta struct {
			Leader string `json:"leader"`
			Size   int    `json:"cluster_size"`
		} `json:"meta"`
	} `json:"jetstream"`
}

// varzWait bounds the reading of one page, and varzSize its bytes.
const (
	varzWait = 5 * time.Second
	varzSize = 4 << 20
	// pingWait is how long servers may take to answer a ping of them all.
	pingWait = time.Second
)

func (v varz) node(asked time.Time, took time.Duration) doctor.Node {
	n := doctor.Node{
		Name: v.Name, Version: v.Version, TooOld: !atLeast(v.Version, MinServer), TLS: v.TLS, ClusterTLS: v.Cluster.TLS,
		SlowClients: v.SlowClient, MetaSize: v.JetStream.Meta.Size, MetaLeader: v.JetStream.Meta.Leader, Store: v.JetStream.Stats.Store,
	}
	if n.Name == "" {
		n.Name = v.ID
	}
	if c := v.JetStream.Config; c != nil {
		n.JetStream, n.SyncAlways, n.SyncInterval, n.MaxStore = true, c.SyncAlways, c.SyncInterval, c.MaxStore
	}
	if skew := v.Now.Sub(asked.Add(took / 2)); !v.Now.IsZero() && skew.Abs() > took/2 {
		n.Skew = skew
	}
	return n
}

// Monitoring reads what servers tell at their monitoring endpoints, such as
// http://nats:8222. The servers that answered come beside an error about the
// others, which holds no secret of the URLs.
func Monitoring(ctx context.Context, urls []string) ([]doctor.Node, error) {
	var nodes []doctor.Node
	var errs []error
	for _, u := range splitURLs(urls) {
		n, err := monitoring(ctx, u)
		if err != nil {
			errs = append(errs, fmt.Errorf("monitoring at %s: %w", RedactURLs([]string{u}), err))
			continue
		}
		nodes = append(nodes, n)
	}
	return nodes, errors.Join(errs...)
}

func monitoring(ctx context.Context, address string) (doctor.Node, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return doctor.Node{}, errors.New("not a URL such as http://nats:8222")
	}
	ctx, cancel := context.WithTimeout(ctx, varzWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("varz").String(), nil)
	if err != nil {
		return doctor.Node{}, errors.New("not a URL such as http://nats:8222")
	}
	began := time.Now()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		if of, ok := errors.AsType[*url.Error](err); ok {
			err = of.Err // without the URL
		}
		return doctor.Node{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return doctor.Node{}, fmt.Errorf("it answers %s", response.Status)
	}
	var v varz
	if err := json.NewDecoder(io.LimitReader(response.Body, varzSize)).Decode(&v); err != nil || v.Version == "" {
		return doctor.Node{}, errors.New("it answers what is no page of a nats-server")
	}
	return v.node(began, time.Since(began)), nil
}

// Ping asks every server of a cluster, over a connection of the system account.
func Ping(ctx context.Context, system *Conn) ([]doctor.Node, error) {
	const all = "$SYS.REQ.SERVER.PING.VARZ"
	watched, stop := system.refusals.watch(ctx, all)
	defer stop()
	inbox, err := system.NATS.SubscribeSync(system.NATS.NewInbox())
	if err != nil {
		return nil, fmt.Errorf("asking the servers: %w", err)
	}
	defer func() { _ = inbox.Unsubscribe() }() // it goes with the connection
	began := time.Now()
	if err := system.NATS.PublishRequest(all, inbox.Subject, nil); err != nil {
		return nil, fmt.Errorf("asking the servers: %w", err)
	}
	nodes := answers(watched, inbox, began)
	switch {
	case errors.Is(context.Cause(watched), ErrPermission):
		return nil, fmt.Errorf("asking the servers: %w: is it a user of the system account?", ErrPermission)
	case len(nodes) == 0:
		return nil, errors.New("asking the servers: no answer; is it a user of the system account?")
	}
	slices.SortFunc(nodes, func(a, b doctor.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes, nil
}

// answers reads those that come within pingWait.
func answers(ctx context.Context, inbox *nats.Subscription, began time.Time) (nodes []doctor.Node) {
	ctx, cancel := context.WithTimeout(ctx, pingWait)
	defer cancel()
	for {
		msg, err := inbox.NextMsgWithContext(ctx)
		if err != nil {
			return nodes
		}
		var one struct {
			Data varz `json:"data"`
		}
		if json.Unmarshal(msg.Data, &one) == nil && one.Data.Version != "" {
			nodes = append(nodes, one.Data.node(began, time.Since(began)))
		}
	}
}
