package seal_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hogcast/hogcast/pkg/seal"
)

func newKey(tb testing.TB, id string) string {
	tb.Helper()
	key, err := seal.NewKey(id)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func ringOf(tb testing.TB, lines ...string) *seal.Ring {
	tb.Helper()
	r, err := seal.ParseRing(strings.Join(lines, "\n"))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func sealed(tb testing.TB, r *seal.Ring, secret string, place ...string) string {
	tb.Helper()
	text, err := r.Seal(secret, place...)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func TestWhatIsSealedOpensInItsPlaceAlone(t *testing.T) {
	t.Parallel()
	r := ringOf(t, newKey(t, "k1"))
	for _, secret := range []string{"", "phc_secret", strings.Repeat("ä", 5000), "a\x00b"} {
		text := sealed(t, r, secret, "acme", "main", "api_key")
		if got, err := r.Open(text, "acme", "main", "api_key"); err != nil || got != secret {
			t.Errorf("%.20q: got %.20q, %v", secret, got, err)
		}
		if !seal.IsSealed(text) || seal.KeyID(text) != "k1" || secret != "" && strings.Contains(text, secret) {
			t.Errorf("sealed: %.80q", text)
		}
		for _, place := range [][]string{nil, {"acme", "main"}, {"acme", "mainapi_key"}, {"acmemain", "", "api_key"}, {"beta", "main", "api_key"}, {"acme", "main", "user_hash_key"}} {
			if got, err := r.Open(text, place...); !errors.Is(err, seal.ErrBroken) {
				t.Errorf("opened at %q: %q, %v", place, got, err)
			}
		}
	}
	if first, second := sealed(t, r, "x", "a"), sealed(t, r, "x", "a"); first == second {
		t.Error("the same secret is sealed alike twice")
	}
	if _, err := r.Seal(strings.Repeat("x", seal.MaxBytes+1)); err == nil {
		t.Error("a secret of any size is taken")
	}
}

func TestTheFirstKeyEncryptsAndAllDecrypt(t *testing.T) {
	t.Parallel()
	a, b, otherA := newKey(t, "a"), newKey(t, "b"), newKey(t, "a")
	old := sealed(t, ringOf(t, a), "secret", "p")
	both := ringOf(t, b, a)
	if got, err := both.Open(old, "p"); err != nil || got != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	fresh := sealed(t, both, "secret", "p")
	if seal.KeyID(fresh) != "b" || both.First() != "b" {
		t.Errorf("sealed with %q", seal.KeyID(fresh))
	}
	if _, err := ringOf(t, a).Open(fresh, "p"); !errors.Is(err, seal.ErrUnknownKey) || !strings.HasSuffix(err.Error(), `"b"; keys on the ring: a`) {
		t.Errorf("got %v", err)
	}
	if _, err := ringOf(t, otherA).Open(old, "p"); !errors.Is(err, seal.ErrBroken) {
		t.Errorf("another key of that id: %v", err)
	}
	var none *seal.Ring
	if _, err := none.Seal("x"); err == nil {
		t.Error("sealed without a key")
	}
	if _, err := none.Open(old, "p"); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	r := ringOf(t, newKey(t, "k1"))
	text := sealed(t, r, "phc_secret", "acme")
	for i := range len(text) {
		for _, c := range []byte{'A', 'z', ':', 0} {
			if text[i] == c {
				continue
			}
			changed := text[:i] + string(c) + text[i+1:]
			if got, err := r.Open(changed, "acme"); err == nil {
				t.Fatalf("byte %d as %q: opened as %q", i, c, got)
			}
		}
		if got, err := r.Open(text[:i], "acme"); err == nil {
			t.Fatalf("cut at %d: opened as %q", i, got)
		}
	}
	for _, more := range []string{text + "A", text + "=", text + "\n", " " + text} {
		if got, err := r.Open(more, "acme"); err == nil {
			t.Errorf("%q: opened as %q", more, got)
		}
	}
}

func TestARingIsReadFromLinesOrCommas(t *testing.T) {
	t.Parallel()
	raw := []byte("0123456789abcdefghijklmnopqrstuv")
	std, url, hexed := base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), hex.EncodeToString(raw)
	other := newKey(t, "k2")
	text := sealed(t, ringOf(t, "k1:"+std), "x")
	for _, form := range []string{"k1:" + std, "k1:" + url, "k1:" + hexed, "k1:" + strings.ToUpper(hexed), " k1: " + std + " \r\n", "# the old one\n\nk1:" + std + "\n", other + ",k1:" + std, other + "\nk1:" + std} {
		r, err := seal.ParseRing(form)
		if err != nil {
			t.Errorf("%q: %v", form, err)
			continue
		}
		if got, err := r.Open(text); err != nil || got != "x" {
			t.Errorf("%q: %q, %v", form, got, err)
		}
	}
}

func TestABadRingSaysWhichKeyAndNeverShowsIt(t *testing.T) {
	t.Parallel()
	good := newKey(t, "k1")
	_, value, _ := strings.Cut(good, ":")
	for text, want := range map[string]string{
		"":                              "no key in it",
		"# nothing\n\n":                 "no key in it",
		value:                           "no `:`",
		":" + value:                     "id: missing",
		"a b:" + value:                  "id: letters",
		strings.Repeat("a", 33) + ":":   "id: letters",
		good + "\nk2:c2hvcnQ=":          `key 2 of the ring: "k2": 5 bytes`,
		"k1:" + value[:20]:              "bytes; a key is 32",
		"k1:SECRET!!":                   "neither base64 nor hex",
		good + "\n" + newKey(t, "k1"):   `"k1" is given twice`,
		good + ",k2:" + value:           `"k2": the same key as "k1"`,
		"k1:" + strings.Repeat("0", 64): "not random",
		"k1:":                           "0 bytes",
	} {
		_, err := seal.ParseRing(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want %q", text, err, want)
			continue
		}
		if strings.Contains(err.Error(), value[:10]) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%.20q: the error shows the key: %v", text, err)
		}
	}
}

func TestARingShowsItsIDsAlone(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1")
	_, value, _ := strings.Cut(key, ":")
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	r := ringOf(t, key)
	shown := fmt.Sprintf("%v %+v %#v %s %d %x %v", r, r, r, r, r, r, struct{ R *seal.Ring }{r})
	for _, form := range []string{value, hex.EncodeToString(raw), strings.Trim(fmt.Sprintf("%d", raw[:8]), "[]")} {
		if strings.Contains(shown, form) {
			t.Errorf("shown: %s", shown)
		}
	}
	if r.String() != "k1" {
		t.Errorf("got %s", r)
	}
}

func TestKeysFollowTheirFileAndKeepTheLastGoodOnes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	give := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := seal.FromFile(file); err == nil {
		t.Fatal("a file that is not there was read")
	}
	one, two := newKey(t, "k1"), newKey(t, "k2")
	give(one)
	keys, err := seal.FromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(what string, wantChanged, wantErr bool, first string) {
		t.Helper()
		changed, err := keys.Reload()
		if changed != wantChanged || err != nil != wantErr || keys.Ring().First() != first {
			t.Errorf("%s: changed %t, %v, first %s", what, changed, err, keys.Ring())
		}
	}
	reload("nothing new", false, false, "k1")
	give(two + "\n" + one)
	reload("a new first key", true, false, "k2")
	give("k1:oops")
	reload("a broken file", false, true, "k2")
	reload("the same again is told once", false, false, "k2")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	reload("no file", false, true, "k2")
	give(one)
	reload("mended", true, false, "k1")
	if keys, err := seal.FromText("x"); err == nil {
		t.Errorf("got %v", keys.Ring())
	}
	var none *seal.Keys
	if none.Ring() != nil {
		t.Error("no keys have a ring")
	}
}

func FuzzOpen(f *testing.F) {
	r := ringOf(f, newKey(f, "k1"), newKey(f, "k2"))
	good := sealed(f, r, "phc_secret", "acme", "main")
	f.Add(good)
	f.Add("sealed:v1:k1:")
	f.Add("sealed:v1:k1:AAAA")
	f.Add("sealed:v2:k1:AAAA")
	f.Add("sealed:v1:::::")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		seal.KeyID(text)
		got, err := r.Open(text, "acme", "main")
		if err == nil && text != good {
			t.Errorf("opened what was never sealed: %q as %q", text, got)
		}
		if err != nil && !errors.Is(err, seal.ErrBroken) && !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("an error of its own kind: %v", err)
		}
	})
}

func TestAPipeIsReadOnceAndNeverWaitedFor(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Skip(err)
	}
	text := newKey(t, "k1")
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(file, []byte(text), 0o600) }()
	keys, err := seal.FromFile(file)
	if err := errors.Join(err, <-written); err != nil {
		t.Fatal(err)
	}
	if changed, err := keys.Reload(); changed || err != nil || keys.Ring().First() != "k1" {
		t.Errorf("changed %t, %v, first %s", changed, err, keys.Ring())
	}
	regular := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(regular, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err = seal.FromFile(regular); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(regular), syscall.Mkfifo(regular, 0o600)); err != nil {
		t.Fatal(err)
	}
	if changed, err := keys.Reload(); changed || err == nil || keys.Ring().First() != "k1" {
		t.Errorf("a pipe in its place: changed %t, %v", changed, err)
	}
}

func FuzzParseRing(f *testing.F) {
	f.Add("k1:MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=\n# x\nk2:00")
	f.Add("a:b,c:d")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := seal.ParseRing(text)
		if err != nil {
			return
		}
		secret, err := r.Seal("x", "p")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Open(secret, "p"); err != nil || got != "x" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := ringOf(b, newKey(b, "k1"))
	text := sealed(b, r, "phc_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG", "acme", "main", "api_key")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(text, "acme", "main", "api_key"); err != nil {
			b.Fatal(err)
		}
	}
}
