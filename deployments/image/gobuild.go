package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/hogcast/hogcast"

// programs are the commands under cmd/.
var programs = []string{"hogcast", "publisher", "worker"}

// goBuild builds the programs for a platform into dir. What it builds depends
// on the source, the version and the toolchain alone: no paths, no build id, no
// cgo, no settings of the environment.
func goBuild(s source, platform, dir string) error {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return fmt.Errorf("platform %q is not OS/architecture, such as linux/amd64", platform)
	}
	out, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	args := []string{
		"build", "-trimpath", "-buildvcs=false", "-o", out + string(filepath.Separator),
		"-ldflags", "-s -w -buildid= -X " + module + "/pkg/app.Version=" + s.Version,
	}
	for _, program := range programs {
		args = append(args, "./cmd/"+program)
	}
	cmd := exec.Command(s.GoTool, args...)
	cmd.Dir = s.Repo
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOAMD64=", "GOARM64=",
		"GOOS="+goos, "GOARCH="+goarch)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building the binaries: %w", err)
	}
	return nil
}

// goRoot is where the go command's own files are, its time zones among them.
func goRoot(s source) (string, error) {
	cmd := exec.Command(s.GoTool, "env", "GOROOT")
	cmd.Dir = s.Repo
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking go for its GOROOT: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
