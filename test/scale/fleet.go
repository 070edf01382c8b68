package main

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
)

// fleet is what is simulated.
type fleet struct {
	Rate                            float64 // records a second, all tenants
	Tenants, Workers, Shards, Nodes int
	Skew                            float64
	Cores, NodeCores                float64 // of one worker, and of one NATS node
	prices                          prices
}

// prices are measured; docs/scaling.md tells where.
type prices struct {
	record    float64 // CPU s of a worker for one record, however large its batch
	request   float64 // CPU s for one request
	wait      float64 // s that a batch is gathered
	most      float64 // records in a request
	stream    float64 // records/s that one R3 stream takes in, and hands out beside
	replica   float64 // CPU s of a NATS node for one record, of each of its three replicas
	consumers float64 // that a cluster makes in a second
	watchers  int     // ordered consumers of a worker: destinations, state, guards, jobs
	looks     float64 // consumers that a worker makes in a second, to count the living
	consumer  float64 // MB of one on its node
	subject   float64 // MB of one subject on its node
	conn      float64 // MB of one connection on its node
	base      float64 // MB of a node with nothing to do
}

func defaults() fleet {
	return fleet{
		Rate: 50_000, Tenants: 10_000, Workers: 20, Shards: 4, Nodes: 3, Skew: 0.8, Cores: 2, NodeCores: 8,
		prices: prices{
			record: 81e-6, request: 241e-6, wait: 0.25, most: 100,
			stream: 20_000, replica: 50e-6, consumers: 95, watchers: 4, looks: 0.2,
			consumer: 0.041, subject: 0.0005, conn: 0.05, base: 60,
		},
	}
}

// outcome is what comes of it.
type outcome struct {
	Busy                   int     // workers that get records
	Batch, CPU             float64 // records a request, CPU s for 10,000 records
	Load                   float64 // of the busiest worker's cores
	StreamRate, StreamLoad float64 // of the busiest stream
	Requests               float64
	Connections, Consumers int
	Made, NodeMB           float64
	Limit                  string
}

// simulate deals tenants to streams, and streams to workers: each worker in
// line for a stream gets what those before it have no room for.
func simulate(f fleet) outcome {
	rates := f.tenantRates()
	streams := make([][]float64, f.Shards) // rates of their tenants
	for i, rate := range rates {
		s := shardOf("tenant-"+strconv.Itoa(i), f.Shards)
		streams[s] = append(streams[s], rate)
	}
	left := make([]float64, f.Workers) // CPU s a second that each has
	for i := range left {
		left[i] = f.Cores
	}
	var r outcome
	var cpu, requests float64
	for s, tenants := range streams {
		rate := sum(tenants)
		r.StreamRate = max(r.StreamRate, rate)
		c, q := f.deal(s, tenants, left)
		cpu, requests = cpu+c, requests+q
	}
	for _, l := range left {
		if l < f.Cores {
			r.Busy++
		}
		r.Load = max(r.Load, 1-l/f.Cores)
	}
	r.Requests, r.Batch, r.CPU = requests, f.Rate/requests, cpu/f.Rate*1e4
	f.server(&r)
	r.Limit = f.limit(&r, cpu)
	return r
}

// tenantRates are the tenants' records a second, by rank.
func (f fleet) tenantRates() []float64 {
	rates := make([]float64, f.Tenants)
	for i := range rates {
		rates[i] = math.Pow(float64(i+1), -f.Skew)
	}
	scale := f.Rate / sum(rates)
	for i := range rates {
		rates[i] *= scale
	}
	return rates
}

// deal gives a stream's records to the workers in line for it, and returns what
// that costs in CPU s, and in requests, a second. Each that gets some sees each
// tenant, since messages are dealt one by one, and so has a part of its batches.
func (f fleet) deal(stream int, tenants []float64, left []float64) (cpu, requests float64) {
	share := 1.0 // of the stream that is not dealt yet
	for _, w := range line(stream, f.Workers) {
		if share <= 1e-9 {
			break
		}
		want, q := f.cost(tenants, share)
		part := 1.0
		if want > left[w] {
			part = max(0, left[w]/want)
		}
		left[w] -= want * part
		cpu, requests = cpu+want*part, requests+q*part
		share *= 1 - part
	}
	if share > 1e-9 { // nobody has room: it costs all the same
		want, q := f.cost(tenants, share)
		cpu, requests = cpu+want, requests+q
	}
	return cpu, requests
}

// cost is what a share of these tenants' records takes of one worker.
func (f fleet) cost(tenants []float64, share float64) (cpu, requests float64) {
	for _, rate := range tenants {
		rate *= share
		batch := min(1+rate*f.prices.wait, f.prices.most)
		requests += rate / batch
		cpu += rate*f.prices.record + rate/batch*f.prices.request
	}
	return cpu, requests
}

// server is what the fleet asks of NATS.
func (f fleet) server(r *outcome) {
	p := f.prices
	r.StreamLoad = r.StreamRate / p.stream
	r.Connections = f.Workers
	r.Consumers = f.Workers*p.watchers + f.Shards + 1
	r.Made = float64(f.Workers) * p.looks
	r.NodeMB = p.base + float64(f.Tenants)*p.subject*2 + float64(r.Consumers)*p.consumer/float64(f.Nodes) +
		float64(r.Connections)*p.conn/float64(f.Nodes)
}

// limit names what is used up first.
func (f fleet) limit(r *outcome, cpu float64) string {
	p := f.prices
	uses := []struct {
		what string
		part float64
	}{
		{"workers' CPU", cpu / (f.Cores * float64(f.Workers))},
		{"a stream's leader", r.StreamLoad},
		{"NATS nodes' CPU", 3 * f.Rate * p.replica / (float64(f.Nodes) * f.NodeCores)},
		{"making consumers", r.Made / p.consumers},
	}
	worst := slices.MaxFunc(uses, func(a, b struct {
		what string
		part float64
	},
	) int {
		return cmp.Compare(a.part, b.part)
	})
	if worst.part >= 1 {
		return "over: " + worst.what + " at " + strconv.FormatFloat(100*worst.part, 'f', 0, 64) + " %"
	}
	return worst.what + " at " + strconv.FormatFloat(100*worst.part, 'f', 0, 64) + " %"
}

// shardOf is the hash that publishers and NATS' partition() share.
func shardOf(tenant string, shards int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(tenant))
	return int(h.Sum32() % uint32(shards)) //nolint:gosec // shards are few
}

// line is the order of the workers for a stream: rendezvous hashing, as ranks
// are made.
func line(stream, workers int) []int {
	weight := func(w int) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(strconv.Itoa(stream) + "/worker-" + strconv.Itoa(w)))
		x := h.Sum64()
		x ^= x >> 33
		x *= 0xff51afd7ed558ccd
		return x ^ x>>33
	}
	order := make([]int, workers)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(weight(a), weight(b)) })
	return order
}

func sum(all []float64) (s float64) {
	for _, x := range all {
		s += x
	}
	return s
}
