package config

import (
	"strings"
	"testing"
	"time"
)

func TestAnotherProgramsFileIsReadByTheNamesOfItsFlags(t *testing.T) {
	t.Parallel()
	v, err := ReadValues(strings.NewReader(`
nats: {url: [a, b], tls: {ca: f}}
main_lane_max: 20s
drain-timeout: # not set
window: 8MiB
fast: true
deep: {er: [x, {y: z}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"nats-url": "a,b", "nats-tls-ca": "f", "fast": "true", "drain-timeout": "", "nowhere": ""} {
		if got := v.Text(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if d, err := v.Duration("main-lane-max", time.Second); err != nil || d != 20*time.Second {
		t.Errorf("got %s, %v", d, err)
	}
	if d, err := v.Duration("drain-timeout", time.Second); err != nil || d != time.Second {
		t.Errorf("got %s, %v", d, err)
	}
	if n, err := v.Size("window", 1); err != nil || n != 8<<20 {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := v.Size("fast", 1); err == nil {
		t.Error("true was taken for a size")
	}
	if !v.Bool("fast") || v.Bool("nowhere") {
		t.Error("a bool is wrong")
	}
}

func TestWhatIsNoConfigurationIsRefusedWithoutBeingQuoted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"- hunter2", "hunter2", "a: [hunter2", "a: 'hunter2\nb: &x", strings.Repeat("x", maxFile+1)} {
		if _, err := ReadValues(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
	if v, err := ReadValues(strings.NewReader("")); err != nil || v.Given("a") {
		t.Errorf("nothing: %v, %+v", err, v)
	}
}

func FuzzReadValues(f *testing.F) {
	f.Add("a: b\nc: {d: [e, 1], f: *x}\n")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = ReadValues(strings.NewReader(text)) })
}
