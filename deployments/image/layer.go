package main

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// file is a file, or a folder where the name ends in /.
type file struct {
	name    string // without a leading /
	mode    fs.FileMode
	content []byte
}

// layer is files in order, their folders among them, all of root's and of one
// time, so that the same files are the same layer.
type layer struct {
	files   []file
	created time.Time
}

func newLayer(created time.Time, files ...file) layer {
	have := map[string]bool{}
	for _, f := range files {
		have[f.name] = true
	}
	for _, f := range slices.Clone(files) {
		for dir := path.Dir(strings.TrimSuffix(f.name, "/")); dir != "."; dir = path.Dir(dir) {
			if !have[dir+"/"] {
				have[dir+"/"] = true
				files = append(files, file{name: dir + "/", mode: 0o755})
			}
		}
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return layer{files: files, created: created}
}

// tar is the layer as an archive.
func (l layer) tar() ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range l.files {
		h := &tar.Header{
			Name: f.name, Mode: int64(f.mode.Perm()), Size: int64(len(f.content)),
			ModTime: l.created, Format: tar.FormatPAX, Typeflag: tar.TypeReg,
		}
		if f.mode&fs.ModeSticky != 0 {
			h.Mode |= 0o1000
		}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

func (l layer) image() (v1.Layer, error) {
	content, err := l.tar()
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
}

// write writes the files below dir.
func (l layer) write(dir string) error {
	for _, f := range l.files {
		name := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := f.write(name); err != nil {
			return err
		}
		// The umask had its say.
		if err := os.Chmod(name, f.mode); err != nil {
			return err
		}
	}
	for _, f := range slices.Backward(l.files) {
		if err := os.Chtimes(filepath.Join(dir, filepath.FromSlash(f.name)), l.created, l.created); err != nil {
			return err
		}
	}
	return nil
}

func (f file) write(name string) error {
	if strings.HasSuffix(f.name, "/") {
		return os.MkdirAll(name, 0o755)
	}
	return os.WriteFile(name, f.content, 0o644)
}
