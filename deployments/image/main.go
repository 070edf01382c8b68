// Command image builds hogcast's container image without a container engine:
// the three binaries, static and reproducible, over a base of nothing but CA
// roots, time zones and a user. The Dockerfile uses its rootfs command, so that
// both ways give the same files.
package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	cli := &cli{}
	ctx := kong.Parse(cli, kong.Name("image"), kong.UsageOnError(), kong.BindTo(os.Stdout, (*io.Writer)(nil)),
		kong.Description("Builds hogcast's container image without a container engine."))
	if err := ctx.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

type cli struct {
	Build  buildCommand  `cmd:"" help:"Build the image as a folder in OCI layout, a tarball for each platform, and their SBOMs."`
	Rootfs rootfsCommand `cmd:"" help:"Write the image's files into a folder; the Dockerfile's build stage does."`
}

// source is what is built, and what is written about it.
type source struct {
	Repo     string `default:"../.." type:"existingdir" help:"The repository's root."`
	Version  string `required:"" help:"Version that the binaries print."`
	Revision string `help:"Commit, for the label org.opencontainers.image.revision."`
	Created  int64  `env:"SOURCE_DATE_EPOCH" default:"0" help:"Time of every file and of the image, in seconds since 1970; the commit's makes builds reproducible."`
	GoTool   string `name:"go" default:"go" help:"The go command."`
}

func (s source) created() time.Time { return time.Unix(s.Created, 0).UTC() }

type rootfsCommand struct {
	source

	Platform string `default:"linux/amd64" help:"OS/architecture."`
	Out      string `required:"" type:"path" help:"Folder to write to."`
}

// Run writes the files.
func (c *rootfsCommand) Run() error {
	tree, err := newTree(c.source, c.Platform)
	if err != nil {
		return err
	}
	for _, layer := range tree.layers() {
		if err := layer.write(c.Out); err != nil {
			return err
		}
	}
	return nil
}

type buildCommand struct {
	source

	Platforms []string `default:"linux/amd64,linux/arm64" help:"OS/architecture, comma separated."`
	Out       string   `default:"../../dist/image" type:"path" help:"Folder to write to; made anew."`
	Tag       string   `default:"ghcr.io/hogcast/hogcast" help:"Name of the image in the tarballs, and where --push pushes; the version is its tag."`
	Push      bool     `help:"Push it, with the credentials of the docker configuration."`
}

// Run builds, and prints what it built.
func (c *buildCommand) Run(stdout io.Writer) error {
	ref, err := c.reference()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(c.Out); err != nil {
		return err
	}
	built := make([]platformImage, 0, len(c.Platforms))
	for _, platform := range c.Platforms {
		tree, err := newTree(c.source, platform)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		one, err := newImage(tree)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		built = append(built, one)
	}
	index, err := newIndex(built)
	if err != nil {
		return err
	}
	if err := save(saved{index: index, images: built, ref: ref, dir: c.Out, stdout: stdout}); err != nil {
		return err
	}
	if c.Push {
		return push(ref, index)
	}
	return nil
}
