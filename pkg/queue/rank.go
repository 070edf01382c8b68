package queue

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
)

// Workers stand in line for each stream, each in another order, by rendezvous
// hashing: when one comes or goes, the others keep their order. The first gets
// all that it can take; so a tenant's records come together, and batches stay
// large as workers are added. Nobody holds a lease: who is full, or gone, has no
// pull waiting, and the server serves the next in line at once. Workers that see
// the fleet differently for a moment share a rank, and what comes to it.
//
// The server knows ten ranks:
//
//	place   0    1  2–3  4–7  8–15  16–31  32–63  64 on   any, but busy
//	rank   0, 1  2   3    4    5      6      7      8           9
//
// The first has two: pulls of one rank are dealt to by turns, and so would be
// full, and away, at one time; one after the other, the second waits while the
// first is asked for anew.
//
// Those behind share one, in groups that double: where many are needed it does
// not matter which. A busy worker, which has much of its window in hand, goes
// last: it takes what the others leave.
const (
	lastRank = 9
	// busyShare is the part of the window that makes a worker busy when it is in
	// hand: a third, 0.5 s of work at 5,000 records/s of 4.5 KB.
	busyShare = 3
)

// rankOf is the rank of a pull, made by the n-th of a stream's fetchers.
func rankOf(place, n int, busy bool) uint8 {
	switch {
	case busy:
		return lastRank
	case place == 0:
		return uint8(min(n, 1)) //nolint:gosec // 0 or 1
	}
	return uint8(min(1+bits.Len(uint(place)), lastRank-1)) //nolint:gosec // 2 to 8
}

// places tells a worker's place in the line of each stream, 0 for the first.
// The firsts are spread evenly: no worker is that for more streams than its
// share, rounded up, however the hashes fall.
func places(me string, workers, streams []string) []int {
	if !slices.Contains(workers, me) {
		workers = append(slices.Clone(workers), me)
	}
	first := firsts(workers, streams)
	all := make([]int, len(streams))
	for i, stream := range streams {
		if first[i] == me {
			continue
		}
		all[i] = 1
		mine := weigh(me, stream)
		for _, w := range workers {
			if w != me && w != first[i] && cmp.Or(cmp.Compare(weigh(w, stream), mine), cmp.Compare(me, w)) > 0 {
				all[i]++
			}
		}
	}
	return all
}

// firsts names the first worker of each stream: the pairs of worker and stream
// are gone through by weight, and a worker that has its share is passed over.
func firsts(workers, streams []string) []string {
	type pair struct {
		worker, stream int
		weight         uint64
	}
	pairs := make([]pair, 0, len(workers)*len(streams))
	for w, worker := range workers {
		for s, stream := range streams {
			pairs = append(pairs, pair{w, s, weigh(worker, stream)})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(workers[a.worker], workers[b.worker]))
	})
	share := (len(streams) + len(workers) - 1) / len(workers)
	has, first := make([]int, len(workers)), make([]string, len(streams))
	for _, p := range pairs {
		if first[p.stream] == "" && has[p.worker] < share {
			first[p.stream] = workers[p.worker]
			has[p.worker]++
		}
	}
	return first
}

// weigh is a worker's weight for a stream.
func weigh(worker, stream string) uint64 {
	sum := sha256.Sum256([]byte(worker + "\x00" + stream))
	return binary.BigEndian.Uint64(sum[:])
}
