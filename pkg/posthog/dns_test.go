package posthog

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is what a DNS server of the test's own says: for each name, in lower
// case and with its dot, one answer after the other, the last for ever. An
// answer is a list of addresses, or `CNAME name.`.
type zone map[string][][]string

// dnsServer is a real one, on loopback.
type dnsServer struct {
	zone  zone
	mu    sync.Mutex
	asked map[string]int // by name and type
}

// resolverOf makes a resolver that asks a server of this zone alone.
func resolverOf(t *testing.T, z zone) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dnsServer{zone: z, asked: map[string]int{}}
	var done sync.WaitGroup
	done.Go(func() { s.serve(conn) })
	t.Cleanup(func() { _ = conn.Close(); done.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (s *dnsServer) serve(conn net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
		reply.Answers, reply.RCode = s.answer(strings.ToLower(q.Name.String()), q.Type)
		if packed, err := reply.Pack(); err == nil {
			_, _ = conn.WriteTo(packed, from)
		}
	}
}

func (s *dnsServer) answer(name string, of dnsmessage.Type) ([]dnsmessage.Resource, dnsmessage.RCode) {
	answers, known := s.zone[name]
	if !known {
		return nil, dnsmessage.RCodeNameError
	}
	s.mu.Lock()
	turn := min(s.asked[name+of.String()], len(answers)-1)
	s.asked[name+of.String()]++
	s.mu.Unlock()
	var out []dnsmessage.Resource
	for _, text := range answers[turn] {
		head := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET}
		if to, ok := strings.CutPrefix(text, "CNAME "); ok {
			more, _ := s.answer(to, of)
			out = append(append(out, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)}}), more...)
			continue
		}
		switch ip := netip.MustParseAddr(text); {
		case ip.Is4() && of == dnsmessage.TypeA:
			out = append(out, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: ip.As4()}})
		case ip.Is6() && of == dnsmessage.TypeAAAA:
			out = append(out, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
		}
	}
	return out, dnsmessage.RCodeSuccess
}
