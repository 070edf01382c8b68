package held_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/queue"
)

func TestWhatFitsIntoNoMessageIsRefused(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start(embedded.Config{StoreDir: t.TempDir(), MaxPayload: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	c, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: []string{s.ClientURL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p := held.NewParker(c, held.NewWaker(c, nil), nil)
	var noise strings.Builder
	for x := uint32(1); noise.Len() < 256<<10; x = x*1664525 + 1013904223 {
		noise.WriteByte(byte(x >> 24))
	}
	err = p.Park(t.Context(), held.Branch{
		To: destination.ID{Tenant: "acme", Name: "main"}, Envelope: envelope.Envelope{Body: []byte(noise.String())},
	})
	if !errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("got %v, want %v", err, queue.ErrTooLarge)
	}
}
