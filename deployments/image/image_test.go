package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const testVersion = "1.2.3-test"

var platform = "linux/" + runtime.GOARCH

func testSource() source {
	return source{Repo: "../..", Version: testVersion, Revision: "0123456789abcdef", Created: 1_700_000_000, GoTool: "go"}
}

// built is the image, built once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hogcast-image-test-")
	if err != nil {
		return "", err
	}
	c := buildCommand{source: testSource(), Platforms: []string{platform}, Out: filepath.Join(dir, "out"), Tag: "example.com/hogcast"}
	return c.Out, c.Run(io.Discard)
})

func TestMain(m *testing.M) {
	m.Run()
	if dir, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(dir)) // a temporary folder
	}
}

func loadImage(t *testing.T) v1.Image {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(filepath.Join(dir, "hogcast-linux-"+runtime.GOARCH+".tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

type entry struct {
	header  *tar.Header
	content []byte
}

// files are the image's, all layers laid over each other.
func files(t *testing.T) map[string]entry {
	t.Helper()
	r := mutate.Extract(loadImage(t))
	defer r.Close()
	out := map[string]entry{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = entry{h, content}
	}
}

func TestAContainerIsNobodysAndStartsTheWorker(t *testing.T) {
	file, err := loadImage(t).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	// The image specification: MUST be "layers".
	if file.RootFS.Type != "layers" {
		t.Errorf("rootfs: the type is %q", file.RootFS.Type)
	}
	c := file.Config
	if c.User != "65532:65532" {
		t.Errorf("user: got %q", c.User)
	}
	if len(c.Entrypoint) != 0 || !slices.Equal(c.Cmd, []string{"worker"}) {
		t.Errorf("entrypoint %q, command %q; want none and worker", c.Entrypoint, c.Cmd)
	}
	if !slices.Contains(c.Env, "PATH=/usr/local/bin") {
		t.Errorf("environment: %q has no PATH to the programs", c.Env)
	}
	for label, want := range map[string]string{
		"title": "hogcast", "version": testVersion, "revision": "0123456789abcdef", "licenses": "MIT",
		"created": "2023-11-14T22:13:20Z", "source": "https://github.com/hogcast/hogcast",
	} {
		if got := c.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s: got %q, want %q", label, got, want)
		}
	}
	for _, label := range []string{"description", "documentation", "url", "vendor"} {
		if c.Labels["org.opencontainers.image."+label] == "" {
			t.Errorf("label %s is missing", label)
		}
	}
}

func TestTheImageHoldsTheProgramsAndNothingToBreakInWith(t *testing.T) {
	have := files(t)
	allowed := []string{"usr/local/bin/", "usr/share/zoneinfo/", "usr/share/doc/hogcast/", "etc/", "tmp/", "home/nonroot/"}
	for name, e := range have {
		h := e.header // names are clean: no / at the end
		if h.Uid != 0 || h.Gid != 0 || h.Mode&0o6000 != 0 {
			t.Errorf("%s: owner %d:%d, mode %o; want root's, and no setuid", name, h.Uid, h.Gid, h.Mode)
		}
		if h.Mode&0o022 != 0 && name != "tmp" {
			t.Errorf("%s: others can write it", name)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if !slices.ContainsFunc(allowed, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			t.Errorf("%s is not expected in the image", name)
		}
		program := strings.HasPrefix(name, "usr/local/bin/")
		if executable := h.Mode&0o111 != 0; executable != program {
			t.Errorf("%s: executable is %t", name, executable)
		}
	}
	for _, want := range []string{"usr/local/bin/worker", "usr/local/bin/publisher", "usr/local/bin/hogcast", "etc/passwd", "tmp", license} {
		if _, ok := have[want]; !ok {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestCARootsAndTimeZonesAreThere(t *testing.T) {
	have := files(t)
	names := map[string]bool{}
	for rest := have[caFile].content; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names[cert.Subject.CommonName] = true
	}
	for _, want := range []string{"ISRG Root X1", "Amazon Root CA 1", "GTS Root R1", "DigiCert Global Root G2"} {
		if !names[want] {
			t.Errorf("the CA roots lack %s; there are %d", want, len(names))
		}
	}
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "UTC"} {
		if !bytes.HasPrefix(have[zones+"/"+zone].content, []byte("TZif")) {
			t.Errorf("no time zone %s", zone)
		}
	}
}

func TestTheBillOfMaterialsTellsWhatIsIn(t *testing.T) {
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(files(t)[sbom].content), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.Metadata.Component.Name != "hogcast" || bom.Metadata.Component.Version != "v"+testVersion {
		t.Errorf("it is of %s %s", bom.Metadata.Component.Name, bom.Metadata.Component.Version)
	}
	found := map[string]cdx.Component{}
	for _, c := range *bom.Components {
		found[c.Name] = c
	}
	for _, want := range []string{"std", "github.com/nats-io/nats.go", "github.com/posthog/posthog-go", "go.uber.org/zap"} {
		c, ok := found[want]
		if !ok || c.Version == "" || !strings.HasPrefix(c.PackageURL, "pkg:golang/"+want+"@") {
			t.Errorf("%s: %+v", want, c)
		}
		if want != "std" && (c.Hashes == nil || len((*c.Hashes)[0].Value) != 64) {
			t.Errorf("%s has no SHA-256", want)
		}
	}
}

// The binaries run from the layer: with the layer as all there is and as the
// image's user where the test may do that.
func TestTheProgramsRunFromTheLayerAndTellTheirVersion(t *testing.T) {
	root := t.TempDir()
	for name, e := range files(t) {
		path := filepath.Join(root, name)
		if e.header.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, e.content, fs.FileMode(e.header.Mode).Perm()); err != nil {
			t.Fatal(err)
		}
	}
	openUp(t, root)
	for _, program := range programs {
		cmd := exec.Command(filepath.Join(root, binDir, program), "--version")
		cmd.Env = []string{"HOME=/home/nonroot"}
		if os.Geteuid() == 0 {
			cmd.Path, cmd.Args, cmd.Dir = "/"+binDir+"/"+program, []string{program, "--version"}, "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: userID, Gid: userID}}
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
		if !strings.Contains(string(out), testVersion) {
			t.Errorf("%s --version printed %q", program, out)
		}
	}
}

// openUp lets another user walk down to dir.
func openUp(t *testing.T, dir string) {
	t.Helper()
	for ; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheLayoutHasTheSameImage(t *testing.T) {
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(dir, "oci"))
	if err != nil {
		t.Fatal(err)
	}
	outer, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := outer.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; got != testVersion {
		t.Errorf("the layout names it %q", got)
	}
	inner, err := index.ImageIndex(outer.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	image, err := inner.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	got, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	want, err := loadImage(t).ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got the configuration %s, the tarball has %s", got, want)
	}
}

func TestTheRootfsIsTheImages(t *testing.T) {
	out := t.TempDir()
	c := rootfsCommand{source: testSource(), Platform: platform, Out: out}
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	for name, e := range files(t) {
		path := filepath.Join(out, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, want := info.Mode().Perm(), fs.FileMode(e.header.Mode).Perm(); got != want {
			t.Errorf("%s: mode %o, the image has %o", name, got, want)
		}
		if info.IsDir() {
			continue
		}
		if content, err := os.ReadFile(path); err != nil || !bytes.Equal(content, e.content) {
			t.Errorf("%s differs (%v)", name, err)
		}
	}
}

// Two builds, of two copies of the source in different folders, by two users
// with different settings: the same bits. The second compiles everything anew
// unless -short is given.
func TestTwoBuildsAreTheSameBits(t *testing.T) {
	t.Setenv("GOFLAGS", "-buildvcs=auto -ldflags=-X=main.nothing=1")
	if !testing.Short() {
		t.Setenv("GOCACHE", t.TempDir())
	}
	s := testSource()
	s.Repo = copySource(t)
	c := buildCommand{source: s, Platforms: []string{platform}, Out: filepath.Join(t.TempDir(), "again"), Tag: "example.com/hogcast"}
	if err := c.Run(io.Discard); err != nil {
		t.Fatal(err)
	}
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hogcast-linux-" + runtime.GOARCH + ".tar", "hogcast-linux-" + runtime.GOARCH + ".cdx.json", "oci/index.json"} {
		first, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(c.Out, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s differs between two builds", name)
		}
	}
}

// copySource copies what the binaries are built from to another folder.
func copySource(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "elsewhere")
	for _, dir := range []string{"cmd", "pkg"} {
		if err := os.CopyFS(filepath.Join(to, dir), os.DirFS(filepath.Join("../..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "LICENSE"} {
		content, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		build buildCommand
		want  string
	}{
		"a platform that is none": {
			buildCommand{source: testSource(), Platforms: []string{"amd64"}, Tag: "x", Out: t.TempDir()},
			`platform "amd64" is not OS/architecture`,
		},
		"a version that is no tag": {
			buildCommand{source: source{Version: "1+2"}, Platforms: []string{platform}, Tag: "x", Out: t.TempDir()},
			`with the version "1+2" is no name of an image`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.build.Run(io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
		})
	}
}

// The Dockerfile can't be built where there is no registry to take Go from, so
// at least it says the same as this tool.
func TestTheDockerfileSaysTheSame(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	config := tree{source: testSource()}.config()
	for name := range config.Labels {
		if !strings.Contains(string(text), " "+name+"=\"") {
			t.Errorf("the Dockerfile lacks the label %s", name)
		}
	}
	for _, label := range []string{"title", "description", "source", "url", "documentation", "licenses", "vendor"} {
		name := "org.opencontainers.image." + label
		if want := name + `="` + config.Labels[name] + `"`; !strings.Contains(string(text), want) {
			t.Errorf("the Dockerfile lacks %s", want)
		}
	}
	for _, env := range config.Env {
		if !strings.Contains(string(text), env) {
			t.Errorf("the Dockerfile lacks the environment %s", env)
		}
	}
	for _, line := range []string{"USER " + config.User, "WORKDIR " + config.WorkingDir, `CMD ["` + config.Cmd[0] + `"]`, "EXPOSE 8080/tcp", "STOPSIGNAL " + config.StopSignal} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("the Dockerfile lacks %q", line)
		}
	}
	if !strings.Contains(string(text), "golang:"+strings.TrimPrefix(runtime.Version(), "go")) {
		t.Logf("the Dockerfile builds with another Go than %s", runtime.Version())
	}
}
