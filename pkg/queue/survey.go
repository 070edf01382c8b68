package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Survey is what the server tells of our streams, for metrics: some requests,
// whose cost does not grow with tenants.
type Survey struct {
	At      time.Time
	Streams []StreamSurvey
}

// StreamSurvey is one stream.
type StreamSurvey struct {
	Name     string
	Messages uint64
	Bytes    uint64
	Limit    int64     // in bytes; below 1: none of its own
	Oldest   time.Time // when its oldest message was stored; zero: it is empty
	// Replicas are its copies, Missing those that are offline or not caught up.
	Replicas, Missing int
	// Workers is the consumer of a stream of generations; nil: it has none.
	Workers *ConsumerSurvey
}

// ConsumerSurvey is the workers' consumer of one stream.
type ConsumerSurvey struct {
	Pending    uint64 // not delivered yet
	AckPending int    // in hands
	Limit      int    // of AckPending
	Pulls      int    // that wait
}

// Survey looks at every stream of ours, shards included. A consumer that
// nobody leads just now is left out.
func (c *Conn) Survey(ctx context.Context) (Survey, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	out := Survey{At: time.Now()}
	lister := c.JS.ListStreams(ctx, jetstream.WithStreamListSubject(prefixAll))
	for info := range lister.Info() {
		out.Streams = append(out.Streams, surveyOf(info))
	}
	if err := lister.Err(); err != nil {
		return Survey{}, asked("the streams", err)
	}
	for i, s := range out.Streams {
		if s.Name != StreamGenerations && !strings.HasPrefix(s.Name, StreamGenerations+"_") {
			continue
		}
		workers, err := c.surveyWorkers(ctx, s.Name)
		if err != nil {
			return Survey{}, err
		}
		out.Streams[i].Workers = workers
	}
	return out, nil
}

const prefixAll = "hogcast.>"

func surveyOf(info *jetstream.StreamInfo) StreamSurvey {
	s := StreamSurvey{
		Name: info.Config.Name, Messages: info.State.Msgs, Bytes: info.State.Bytes,
		Limit: info.Config.MaxBytes, Replicas: max(info.Config.Replicas, 1),
	}
	if info.State.Msgs > 0 {
		s.Oldest = info.State.FirstTime
	}
	if info.Cluster != nil {
		for _, r := range info.Cluster.Replicas {
			if r.Offline || !r.Current {
				s.Missing++
			}
		}
	}
	return s
}

func (c *Conn) surveyWorkers(ctx context.Context, stream string) (*ConsumerSurvey, error) {
	consumer, err := c.JS.Consumer(ctx, stream, ConsumerWorkers)
	switch {
	case isMissing(err), errors.Is(err, context.DeadlineExceeded):
		return nil, nil //nolint:nilnil // there is none to tell of
	case err != nil:
		return nil, asked(fmt.Sprintf("consumer %s of %s", ConsumerWorkers, stream), err)
	}
	info := consumer.CachedInfo()
	return &ConsumerSurvey{
		Pending: info.NumPending, AckPending: info.NumAckPending,
		Limit: info.Config.MaxAckPending, Pulls: info.NumWaiting,
	}, nil
}
