package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/cmd/internal/clitest"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/test/golden"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestMain(m *testing.M) { clitest.Main(m, "worker", main) }

func runWith(t *testing.T, stdin string, args ...string) clitest.Outcome {
	t.Helper()
	return clitest.Run(t, run, stdin, args...)
}

func TestHelpIsTheGoldenOne(t *testing.T) {
	golden.Check(t, "testdata/help/worker.golden", runWith(t, "", "--help").Out)
}

func TestTheReferenceIsOfTheseFlags(t *testing.T) {
	golden.Check(t, "../../configs/worker.md", config.Reference(program()))
}

func TestTheExampleConfigurationIsGood(t *testing.T) {
	t.Parallel()
	if got := runWith(t, "", "--config", "../../configs/worker.example.yaml", "--print-config"); got.Code != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestAWorkerRefusesToStartWithAClearWord(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, embedded.Config{})
	destinations := filepath.Join(t.TempDir(), "d.yaml")
	if err := os.WriteFile(destinations, []byte("destinations:\n- {tenant: a, api_key: phc_a}\n- {tenant: b, api_key: phx_b}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"--nats-url", server.ClientURL(), "--listen", "-"}
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"JetStream is not set up":  {append(base, "--destinations", destinations), 1, "run `hogcast setup"},
		"a bad entry has its line": {append(base, "--destinations", destinations), 1, `"line":3`},
		"no destinations file":     {append(base, "--destinations", "none.yaml"), 1, "none.yaml"},
		"no destinations at all":   {base, 2, "--destinations"},
		"a network that is none":   {append(base, "--destinations", destinations, "--egress-allow", "ten"), 2, "--egress-allow"},
		"times that contradict":    {append(base, "--destinations", destinations, "--request-timeout", "20s"), 2, "main-lane-max"},
		"an address in use":        {append(base, "--destinations", destinations, "--listen", strings.TrimPrefix(server.ClientURL(), "nats://")), 1, "listening"},
	} {
		if got := runWith(t, "", tt.args...); got.Code != tt.code || !strings.Contains(got.Err, tt.want) {
			t.Errorf("%s: got %+v, want %q", name, got, tt.want)
		}
	}
}
