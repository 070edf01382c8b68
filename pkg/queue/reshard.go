package queue

import (
	"context"
	"fmt"
	"slices"
)

// shards closes the shards that publishers are to leave, before all else: what
// they have set apart of the storage goes to the others. Those that this very
// run has closed stay even when they are empty: something may be on its way.
func (s *setup) shards(ctx context.Context, p *Params) error {
	all, err := s.conn.GenerationStreams(ctx)
	if err != nil {
		return err
	}
	if p.Shards == 0 {
		if p.Shards, err = s.conn.Shards(ctx); err != nil {
			return err
		}
	}
	before, err := s.conn.closedShards(ctx)
	if err != nil {
		return err
	}
	for _, name := range all {
		shard, ok := shardOf(name)
		if !ok || p.Shards > 1 && shard < p.Shards {
			continue
		}
		if p.RemoveDrained && slices.Contains(before, name) {
			removed, err := s.removeEmpty(ctx, name)
			if err != nil {
				return err
			}
			if removed {
				continue
			}
		}
		stream, consumer := closed(*p, shard)
		if err := s.stream(ctx, stream); err != nil {
			return err
		}
		if err := s.consumer(ctx, consumer); err != nil {
			return err
		}
	}
	return nil
}

// removeEmpty removes a closed shard that holds nothing.
func (s *setup) removeEmpty(ctx context.Context, name string) (bool, error) {
	left, err := Waiting(ctx, s.conn, name)
	if err != nil || left > 0 {
		return false, err
	}
	if err := s.conn.JS.DeleteStream(ctx, name); err != nil {
		return false, fmt.Errorf("removing stream %s: %w", name, err)
	}
	s.note("removed stream %s (closed and empty)", name)
	return true, nil
}
