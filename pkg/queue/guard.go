package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// guard refuses a change of limits that would make the server delete stored
// messages: a lowered max_msgs_per_subject is enforced at once, on streams
// that discard new ones, too.
func guard(ctx context.Context, s jetstream.Stream, have, next jetstream.StreamConfig) error {
	if tightens(int64(have.MaxAge), int64(next.MaxAge)) {
		if err := guardAge(ctx, s, next); err != nil {
			return err
		}
	}
	if tightens(have.MaxMsgsPerSubject, next.MaxMsgsPerSubject) {
		return guardSubjects(ctx, s, next)
	}
	return nil
}

// tightens reports whether a limit is lowered; 0 and −1 are none.
func tightens(have, next int64) bool { return next > 0 && (have <= 0 || next < have) }

func guardAge(ctx context.Context, s jetstream.Stream, next jetstream.StreamConfig) error {
	info, err := s.Info(ctx)
	if err != nil {
		return asked("stream "+next.Name, err)
	}
	if info.State.Msgs == 0 || time.Since(info.State.FirstTime) <= next.MaxAge {
		return nil
	}
	return fmt.Errorf("stream %s: max_age %s would delete messages, the oldest of %s; delete them first, or keep max_age above that",
		next.Name, next.MaxAge, info.State.FirstTime.UTC().Format(time.RFC3339))
}

func guardSubjects(ctx context.Context, s jetstream.Stream, next jetstream.StreamConfig) error {
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return asked("subjects of stream "+next.Name, err)
	}
	for subject, n := range info.State.Subjects {
		if n > uint64(next.MaxMsgsPerSubject) {
			return fmt.Errorf("stream %s: max_msgs_per_subject %d would delete messages: %s holds %d; let them drain first, or keep the limit above that",
				next.Name, next.MaxMsgsPerSubject, subject, n)
		}
	}
	return nil
}
