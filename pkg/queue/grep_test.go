package queue_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var settling = regexp.MustCompile(`\.(Ack|DoubleAck|AckSync|Nak|NakWithDelay|Term|TermWithReason|InProgress)\(|"(\+ACK|\+NXT|\+WPI|-NAK|\+TERM)\b`)

// queue.Ack() makes a verdict; it settles nothing.
var verdict = regexp.MustCompile(`\bqueue\.Ack\(\)`)

func TestNobodySettlesButSettleGo(t *testing.T) {
	t.Parallel()
	root, own := filepath.Join("..", ".."), filepath.Join("pkg", "queue", "settle.go")
	floor := filepath.Join("test", "bars", "floor", "post.go") // no part of the product
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // a file of the repository
		if err != nil {
			return err
		}
		files++
		found := settling.Find(verdict.ReplaceAll(text, nil))
		switch name, _ := filepath.Rel(root, path); {
		case name == own && found == nil:
			t.Errorf("%s settles nothing; this test looks for the wrong words", own)
		case name != own && name != floor && found != nil:
			t.Errorf("%s calls %s…); only %s may", name, found, own)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Errorf("looked at %d files; the repository has more", files)
	}
}
