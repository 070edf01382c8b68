package admin_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/doctor"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

// newCluster runs three servers with JetStream on file storage.
func newCluster(t *testing.T) []*server.Server {
	t.Helper()
	ports := freePorts(t, 3)
	var routes []string
	for _, p := range ports {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", p))
	}
	var all []*server.Server
	for i, p := range ports {
		all = append(all, natstest.Configured(t, fmt.Sprintf(`
server_name: n%d
listen: 127.0.0.1:-1
max_payload: 8MB
jetstream { store_dir: %q, sync_interval: always }
cluster { name: hub, listen: 127.0.0.1:%d, routes: [%s] }
`, i+1, t.TempDir(), p, strings.Join(routes, ", "))))
	}
	natstest.Eventually(t, "the cluster's leader", func() bool {
		for _, s := range all {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(all) {
				return true
			}
		}
		return false
	})
	return all
}

func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		var config net.ListenConfig
		l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // of a TCP listener
	}
	return ports
}

func hasProblem(findings map[string]doctor.Finding) bool {
	for _, f := range findings {
		if f.Level == doctor.Problem {
			return true
		}
	}
	return false
}

func TestOneReplicaOnAClusterIsRefusedAndThreePass(t *testing.T) {
	t.Parallel()
	servers := newCluster(t)
	q, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: []string{servers[0].ClientURL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	setUp := func(replicas int) {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		p := queue.DefaultParams()
		p.Replicas = replicas
		if _, err := queue.Setup(ctx, q, p); err != nil {
			t.Fatal(err)
		}
	}
	setUp(1)
	bad := examine(t, q, admin.DoctorParams{})
	for check, mend := range map[string]string{"stream_replicas": "hogcast setup --replicas 3", "bucket_replicas": "hogcast setup --replicas 3"} {
		if f := bad[check]; f.Level != doctor.Problem || f.Mend != mend {
			t.Errorf("%s: %+v", check, f)
		}
	}
	setUp(3)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last findings: %+v", bad)
		}
	})
	// What changes a stream's replicas elects its leader anew: the last problem goes after the last peer has caught up.
	natstest.Eventually(t, "a cluster in order", func() bool {
		bad = examine(t, q, admin.DoctorParams{})
		_, peers := bad["stream_peers"]
		_, buckets := bad["bucket_peers"]
		return !peers && !buckets && !hasProblem(bad)
	})

	servers[2].Shutdown()
	servers[2].WaitForShutdown()
	natstest.Eventually(t, "the missing replica", func() bool {
		f := examine(t, q, admin.DoctorParams{})["stream_peers"]
		return f.Level == doctor.Warning && strings.Contains(f.What, "n3")
	})
	servers[1].Shutdown()
	servers[1].WaitForShutdown()
	natstest.Eventually(t, "the end of the majority", func() bool {
		return examine(t, q, admin.DoctorParams{})["jetstream_on"].Level == doctor.Problem
	})
}
