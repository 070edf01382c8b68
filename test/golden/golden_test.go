package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told collects what a test would have failed with.
type told struct {
	testing.TB
	text string
}

func (*told) Helper()                           {}
func (to *told) Errorf(format string, a ...any) { to.text += fmt.Sprintf(format, a...) }

func TestADifferenceFailsTheTest(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "some", "text.golden")
	write(t, file, "one\n")
	for got, fails := range map[string]bool{"one\n": false, "two\n": true} {
		to := &told{TB: t}
		Check(to, file, got)
		if (to.text != "") != fails {
			t.Errorf("%q: %q", got, to.text)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "one\n" {
		t.Errorf("the file is %q (%v)", text, err)
	}
}
