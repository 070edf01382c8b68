package main

import (
	"fmt"
	"net"

	"github.com/nats-io/nats.go"

	"github.com/hogcast/hogcast/test/chaos/load"
	"github.com/hogcast/hogcast/test/chaos/netns"
)

// site is where the processes of a run are: all on 127.0.0.1, or each on one of
// the hosts of a lab, dealt out in turn. PostHog is outside of the hosts.
type site struct {
	lab *netns.Lab // nil: no hosts
}

// openSite makes the hosts, one a node.
func openSite(s settings) (*site, error) {
	if !s.net {
		return &site{}, nil
	}
	lab, err := netns.Open(netns.Layout{Hosts: s.nodes, Services: load.Hosts})
	return &site{lab: lab}, err
}

// spread reports whether there are hosts.
func (s *site) spread() bool { return s.lab != nil }

func (s *site) host(i int) int { return i % s.lab.Hosts }

// listen is an address of the i-th process of a kind.
func (s *site) listen(i, port int) string {
	if !s.spread() {
		return fmt.Sprintf("127.0.0.1:%d", port)
	}
	return fmt.Sprintf("%s:%d", s.lab.Host(s.host(i)), port)
}

// posthog is the address of the i-th sandbox: hosts are told apart.
func (s *site) posthog(i int) string {
	if !s.spread() {
		return fmt.Sprintf("127.0.0.%d:0", i+1)
	}
	return fmt.Sprintf("%s:0", s.lab.Service(i))
}

// egress is what workers have to be allowed to reach PostHog.
func (s *site) egress() string {
	if !s.spread() {
		return "127.0.0.0/8"
	}
	return s.lab.Net().String()
}

// on calls f on the host of the i-th process of a kind.
func (s *site) on(i int, f func() error) error {
	if !s.spread() {
		return f()
	}
	return s.lab.On(s.host(i), f)
}

// from has a NATS client connect from a host, to its own node first.
func (s *site) from(i int) []nats.Option {
	if !s.spread() {
		return nil
	}
	return []nats.Option{
		nats.DontRandomize(),
		nats.SetCustomDialer(&netns.Dialer{Lab: s.lab, Host: s.host(i), Dialer: net.Dialer{Timeout: dialWait}}),
	}
}

// ports are free ones of 127.0.0.1, or on hosts, where nobody else is, those
// from the first on.
func (s *site) ports(count, first int) ([]int, error) {
	if !s.spread() {
		return freePorts(count)
	}
	ports := make([]int, count)
	for i := range ports {
		ports[i] = first + i
	}
	return ports, nil
}

func (s *site) close() {
	if s.spread() {
		_ = s.lab.Close() // the process ends
	}
}

// freePorts finds ports of 127.0.0.1 that nobody listens on.
func freePorts(count int) ([]int, error) {
	ports := make([]int, 0, count)
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close() // all stay open until the last is found
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
