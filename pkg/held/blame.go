package held

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

const (
	// suspectAfter deaths in a row what is held is handled in groups of groupSize.
	suspectAfter = 2
	groupSize    = 64
	// crashesAfter deaths in a row with the same record alone in hand it is not
	// looked at any more. Workers die of other things: of one death in three
	// while such a record is in hand, five in a row are one in 243.
	crashesAfter = 5
)

// judge draws from a death what is suspected.
func (m *mark) judge(ctx context.Context, left *marked) error {
	left.Deaths++
	m.keeper.log.Warn("a worker did not end its turn at held work",
		zap.String("subject", m.held), zap.String("holder", left.Holder), zap.Int("in_a_row", left.Deaths),
		zap.Uint64("from", left.From), zap.Uint64("to", left.To), zap.Bool("alone", left.Alone))
	switch {
	case left.Alone && left.From == left.Suspect:
		left.Victims = append(left.Victims, left.Holder)
	case left.Alone:
		left.Suspect, left.Victims = left.From, []string{left.Holder}
	case left.Deaths < suspectAfter:
	case left.From != 0:
		left.Size, left.Last = 1, left.To
	case left.Size == 0:
		last, err := m.keeper.Conn.Reached(ctx, m.held)
		if err != nil {
			return err
		}
		left.Size, left.Last = groupSize, last
	}
	return nil
}

// condemn makes a dead letter of a record that has killed enough workers. It is
// not looked at.
func (m *mark) condemn(ctx context.Context, left *marked) error {
	if len(left.Victims) < crashesAfter {
		return nil
	}
	store, err := m.keeper.Conn.Store(ctx, queue.StreamOfHeld(m.held))
	if err != nil {
		return err
	}
	guilty, err := store.Get(ctx, left.Suspect)
	switch {
	case errors.Is(err, queue.ErrNoMessage):
	case err != nil:
		return err
	default:
		m.keeper.log.Error("a held record has killed workers one after another, each with nothing else in hand; it is a dead letter: crashes_worker",
			zap.String("subject", guilty.Subject), zap.Uint64("sequence", guilty.Sequence), zap.Strings("holders", left.Victims))
		if !m.keeper.Deliverer.BuryStored(ctx, guilty, outcome.CrashesWorker) {
			return fmt.Errorf("held record %d of %s crashes workers: its dead letter could not be stored", guilty.Sequence, guilty.Subject)
		}
	}
	m.buried = left.Suspect
	*left = marked{}
	return nil
}
