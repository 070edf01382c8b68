package queue

import "github.com/nats-io/nats.go/jetstream"

// pullSize bounds what one pull may bring. With one replica the server is given
// a limit in bytes. With several it is not: nats-server (2.15.2) sends a
// replicated consumer's messages when they have their quorum, but the word that
// a pull's byte limit is reached at once. That overtakes the last messages;
// nats.go ends the pull, and they wait for ack_wait. So there the bound is a
// number of messages, by the largest seen lately: a sudden flood of far larger
// ones passes it once.
type pullSize struct {
	limit      int // bytes; room for the largest message
	replicated bool
	largest    float64
}

const (
	// firstLargest is what a message is taken for before one was seen.
	firstLargest = 256 << 10
	// usualPull is what a pull by number aims at, in bytes.
	usualPull = 4 << 20
	// fade is how fast the largest is forgotten, by message.
	fade = 0.999
)

func newPullSize(consumer jetstream.Consumer, c *Conn) *pullSize {
	info := consumer.CachedInfo()
	return &pullSize{
		limit: int(c.NATS.MaxPayload()) + headerRoom, largest: firstLargest,
		replicated: info.Cluster != nil && len(info.Cluster.Replicas) > 0,
	}
}

// ask says how many of at most n messages to pull, and how.
func (p *pullSize) ask(n int) (int, []jetstream.FetchOpt) {
	if !p.replicated {
		return n, []jetstream.FetchOpt{jetstream.FetchMaxBytes(p.limit)}
	}
	return max(1, min(n, int(float64(min(usualPull, p.limit))/p.largest))), nil
}

// got takes a message's size into account.
func (p *pullSize) got(bytes int) {
	p.largest = max(p.largest*fade, float64(bytes+1<<10))
}
