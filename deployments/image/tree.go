package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Where the image has its things.
const (
	binDir  = "usr/local/bin"
	docDir  = "usr/share/doc/hogcast"
	sbom    = docDir + "/sbom.cdx.json"
	license = docDir + "/LICENSE"
	caFile  = "etc/ssl/certs/ca-certificates.crt"
	zones   = "usr/share/zoneinfo"
	// userID is distroless's nonroot, which policies know.
	userID = 65532
)

// tree is the content of an image for one platform.
type tree struct {
	source   source
	platform string
	base     layer // changes with the CA roots and the toolchain
	papers   layer // licence and SBOM
	binaries layer
	bom      []byte
}

// layers are in the order of how seldom they change.
func (t tree) layers() []layer { return []layer{t.base, t.papers, t.binaries} }

func newTree(s source, platform string) (tree, error) {
	t := tree{source: s, platform: platform}
	dir, err := os.MkdirTemp("", "hogcast-image-")
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(dir)
	if err := goBuild(s, platform, dir); err != nil {
		return t, err
	}
	root, err := goRoot(s)
	if err != nil {
		return t, err
	}
	if t.base, err = newBase(root, s.created()); err != nil {
		return t, err
	}
	if t.bom, err = newSBOM(s, platform, dir); err != nil {
		return t, err
	}
	text, err := os.ReadFile(filepath.Join(s.Repo, "LICENSE"))
	if err != nil {
		return t, err
	}
	t.papers = newLayer(s.created(), file{license, 0o644, text}, file{sbom, 0o644, t.bom})
	t.binaries, err = binaryLayer(dir, s.created())
	return t, err
}

func binaryLayer(dir string, created time.Time) (layer, error) {
	files := make([]file, 0, len(programs))
	for _, program := range programs {
		content, err := os.ReadFile(filepath.Join(dir, program))
		if err != nil {
			return layer{}, fmt.Errorf("reading what was built: %w", err)
		}
		files = append(files, file{binDir + "/" + program, 0o755, content})
	}
	return newLayer(created, files...), nil
}
