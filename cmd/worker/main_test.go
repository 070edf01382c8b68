package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/cmd/internal/clitest"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/embedded"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { clitest.Main(m, "worker", main) }

// outcome is how a run ended, as its user sees it.
type outcome struct {
	code     int
	out, err string
}

func runWith(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), config.System{Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs})
	return outcome{code, out.String(), errs.String()}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; mend with -update):\n%s", file, diff)
	}
}

func TestHelpIsTheGoldenOne(t *testing.T) {
	golden(t, "testdata/help/worker.golden", runWith(t, "", "--help").out)
}

func TestTheReferenceIsOfTheseFlags(t *testing.T) {
	golden(t, "../../configs/worker.md", config.Reference(program()))
}

func TestTheExampleConfigurationIsGood(t *testing.T) {
	t.Parallel()
	if got := runWith(t, "", "--config", "../../configs/worker.example.yaml", "--print-config"); got.code != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestAWorkerRefusesToStartWithAClearWord(t *testing.T) {
	t.Parallel()
	server, err := embedded.Start(embedded.Config{StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
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
		if got := runWith(t, "", tt.args...); got.code != tt.code || !strings.Contains(got.err, tt.want) {
			t.Errorf("%s: got %+v, want %q", name, got, tt.want)
		}
	}
}
