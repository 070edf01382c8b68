package main

import (
	"archive/zip"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	passwd  = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
	group   = "root:x:0:\nnonroot:x:65532:\n"
	release = "PRETTY_NAME=\"hogcast\"\nNAME=\"hogcast\"\nID=\"hogcast\"\n"
)

// newBase is what a static Go program wants around it, and nothing else: no
// shell, no package manager, no libraries.
func newBase(goroot string, created time.Time) (layer, error) {
	files, err := timeZones(goroot)
	if err != nil {
		return layer{}, err
	}
	files = append(
		files,
		file{caFile, 0o644, caRoots()},
		file{"etc/passwd", 0o644, []byte(passwd)},
		file{"etc/group", 0o644, []byte(group)},
		file{"etc/nsswitch.conf", 0o644, []byte("hosts: files dns\n")},
		file{"etc/os-release", 0o644, []byte(release)},
		file{"home/nonroot/", 0o755, nil},
		file{"tmp/", fs.ModeSticky | 0o777, nil},
	)
	return newLayer(created, files...), nil
}

// caRoots are Mozilla's, as the Go project keeps them. Those that are trusted
// for certificates up to some day only are left out: PEM can't say so.
func caRoots() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes all
		}
	}
	return out.Bytes()
}

// timeZones are those of the Go toolchain.
func timeZones(goroot string) ([]file, error) {
	name := filepath.Join(goroot, "lib", "time", "zoneinfo.zip")
	archive, err := zip.OpenReader(name)
	if err != nil {
		return nil, fmt.Errorf("reading the toolchain's time zones, %s: %w", name, err)
	}
	defer archive.Close()
	var files []file
	for _, entry := range archive.File {
		if entry.FileInfo().IsDir() {
			continue
		}
		r, err := entry.Open()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		_ = r.Close() // it was read to its end
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", entry.Name, name, err)
		}
		files = append(files, file{zones + "/" + entry.Name, 0o644, content})
	}
	return files, nil
}
