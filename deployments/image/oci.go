package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// platformImage is the image of one platform.
type platformImage struct {
	tree     tree
	platform v1.Platform
	image    v1.Image
}

// labels are the annotations of the OCI image specification.
func (s source) labels() map[string]string {
	labels := map[string]string{
		"org.opencontainers.image.title":         "hogcast",
		"org.opencontainers.image.description":   "LLM analytics for every tenant of an LLM gateway, in each tenant's own PostHog project",
		"org.opencontainers.image.source":        "https://" + module,
		"org.opencontainers.image.url":           "https://" + module,
		"org.opencontainers.image.documentation": "https://" + module + "/blob/main/docs/kubernetes.md",
		"org.opencontainers.image.licenses":      "MIT",
		"org.opencontainers.image.vendor":        "hogcast",
		"org.opencontainers.image.version":       s.Version,
		"org.opencontainers.image.created":       s.created().Format(time.RFC3339),
	}
	if s.Revision != "" {
		labels["org.opencontainers.image.revision"] = s.Revision
	}
	return labels
}

// config is how a container of the image runs. There is no entrypoint: the
// first word is one of the three programs, and `worker` where there is none.
func (t tree) config() v1.Config {
	return v1.Config{
		User: fmt.Sprintf("%d:%d", userID, userID), WorkingDir: "/home/nonroot",
		Env:          []string{"PATH=/" + binDir, "HOME=/home/nonroot", "SSL_CERT_FILE=/" + caFile},
		Cmd:          []string{"worker"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Labels:       t.source.labels(),
		StopSignal:   "SIGTERM",
	}
}

func newImage(t tree) (platformImage, error) {
	out := platformImage{tree: t}
	goos, arch, _ := strings.Cut(t.platform, "/")
	out.platform = v1.Platform{OS: goos, Architecture: arch}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{
		OS: goos, Architecture: arch, Created: v1.Time{Time: t.source.created()}, Config: t.config(),
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return out, err
	}
	for i, content := range t.layers() {
		made, err := content.image()
		if err != nil {
			return out, err
		}
		image, err = mutate.Append(image, mutate.Addendum{
			Layer: made, MediaType: types.OCILayer,
			History: v1.History{Created: v1.Time{Time: t.source.created()}, CreatedBy: []string{"base", "papers", "binaries"}[i]},
		})
		if err != nil {
			return out, err
		}
	}
	out.image, _ = mutate.Annotations(image, t.source.labels()).(v1.Image)
	return out, nil
}

func newIndex(images []platformImage) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, one := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: one.image, Descriptor: v1.Descriptor{Platform: &one.platform},
		})
	}
	out, ok := mutate.Annotations(index, images[0].tree.source.labels()).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("annotating the index")
	}
	return out, nil
}

func (c *buildCommand) reference() (name.Tag, error) {
	tag, err := name.NewTag(c.Tag + ":" + strings.TrimPrefix(c.Version, "v"))
	if err != nil {
		return tag, fmt.Errorf("--tag %q with the version %q is no name of an image: %w", c.Tag, c.Version, err)
	}
	return tag, nil
}

type saved struct {
	index  v1.ImageIndex
	images []platformImage
	ref    name.Tag
	dir    string
	stdout io.Writer // told what was written
}

// save writes the OCI layout (oci/), and for each platform a tarball that
// `docker load` and `podman load` read, and the SBOM.
func save(s saved) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	path, err := layout.Write(filepath.Join(s.dir, "oci"), empty.Index)
	if err != nil {
		return err
	}
	refName := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": s.ref.TagStr()})
	if err := path.AppendIndex(s.index, refName); err != nil {
		return err
	}
	for _, one := range s.images {
		base := filepath.Join(s.dir, "hogcast-"+one.platform.OS+"-"+one.platform.Architecture)
		if err := tarball.WriteToFile(base+".tar", s.ref, one.image); err != nil {
			return err
		}
		if err := os.WriteFile(base+".cdx.json", one.tree.bom, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(s.stdout, base+".tar")
	}
	digest, err := s.index.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, filepath.Join(s.dir, "oci"), s.ref.String()+"@"+digest.String())
	return nil
}

func push(ref name.Tag, index v1.ImageIndex) error {
	if err := remote.WriteIndex(ref, index, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("pushing %s: %w", ref, err)
	}
	return nil
}
