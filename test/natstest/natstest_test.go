package natstest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatIsSetUpCanBeUsedAndEndsWithTheTest(t *testing.T) {
	t.Parallel()
	_, conn := natstest.New(t)
	if err := conn.Publish(t.Context(), queue.Message{Subject: queue.GenerationSubject("acme"), ID: "acme/1", Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the record is stored", func() bool {
		n, err := queue.Waiting(t.Context(), conn, queue.StreamGenerations)
		return err == nil && n == 1
	})
	if changes := natstest.SetUp(t, conn, queue.DefaultParams()); len(changes) > 0 {
		t.Errorf("set up twice: %q", changes)
	}
}
