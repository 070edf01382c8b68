package queue

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// pullSize bounds what one pull may bring, and so what room it needs before. The
// room is out of others' reach while the pull waits, so it suits the messages
// seen lately: a pull that ends at once with nothing has met a larger one, and
// the next asks for the largest that there may be.
//
// With one replica the server is given a limit in bytes. With several it is not:
// nats-server (2.15.2) sends a replicated consumer's messages when they have
// their quorum, but the word that a pull's byte limit is reached at once. That
// overtakes the last messages; nats.go ends the pull, and they wait for
// ack_wait. So there the bound is a number of messages, by the largest seen
// lately: a sudden flood of far larger ones passes it once.
type pullSize struct {
	most       int  // bytes; room for the largest message
	limit      int  // of the next pull
	over       bool // the last one has met a message over its limit
	replicated bool
	largest    float64
}

const (
	// firstLargest is what a message is taken for before one was seen.
	firstLargest = 256 << 10
	// usualPull is what a pull aims at, in bytes; a byte limit is at least
	// manyLargest times the largest message seen lately.
	usualPull   = 2 << 20
	manyLargest = 4
	// leastPull is the least byte limit, where many streams share the window.
	leastPull = 128 << 10
	// fade is how fast the largest is forgotten, by message.
	fade = 0.999
)

func newPullSize(consumer jetstream.Consumer, c *Conn) *pullSize {
	info := consumer.CachedInfo()
	p := &pullSize{
		most: int(c.NATS.MaxPayload()) + headerRoom, largest: firstLargest,
		replicated: info.Cluster != nil && len(info.Cluster.Replicas) > 0,
	}
	p.limit = min(usualPull, p.most)
	return p
}

// room is what the next pull may take of the window.
func (p *pullSize) room() int64 { return footprint(p.limit) }

// fit brings the next pull within so much of the window, and returns its room.
// One for a message that is known to be larger stays as it is.
func (p *pullSize) fit(share int64) int64 {
	if !p.over {
		p.suit()
		p.limit = min(p.limit, max(int(share-footprint(0))/2, leastPull))
	}
	return p.room()
}

// ask says how many of at most n messages to pull, and how.
func (p *pullSize) ask(n int) (int, []jetstream.FetchOpt) {
	if !p.replicated {
		return n, []jetstream.FetchOpt{jetstream.FetchMaxBytes(p.limit)}
	}
	return max(1, min(n, int(float64(p.limit)/p.largest))), nil
}

// got takes a message's size into account.
func (p *pullSize) got(bytes int) {
	p.largest = max(p.largest*fade, float64(bytes+1<<10))
	p.suit()
}

// suit makes the next pull suit the messages seen lately.
func (p *pullSize) suit() {
	p.over = false
	p.limit = min(max(usualPull, manyLargest*int(p.largest)), p.most)
}

// tooSmall reports that a pull which brought nothing within took, of wait, has
// met a message over its limit, and raises that as far as it goes. A limit of
// the utmost is never too small.
func (p *pullSize) tooSmall(took, wait time.Duration) bool {
	if p.replicated || p.limit == p.most || took >= wait/2 {
		return false
	}
	p.limit, p.over = p.most, true
	return true
}
