// Command validate holds the Helm chart and what is made of it to the schemas
// of Kubernetes and of the operators that it serves. It is a module of its own,
// so that the product depends on none of what it needs.
package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/alecthomas/kong"
)

func main() {
	ctx := kong.Parse(&cli{}, kong.Name("validate"), kong.UsageOnError(), kong.BindTo(os.Stdout, (*io.Writer)(nil)),
		kong.Description("Renders and checks hogcast's Helm chart, and writes what is made of it."))
	if err := ctx.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "validate:", err)
		os.Exit(1)
	}
}

type cli struct {
	Write writeCommand `cmd:"" help:"Write what is made of others: the chart's dashboards and alerts, and the kustomize manifests."`
	Check checkCommand `cmd:"" help:"Render the chart with values of yours and check every object strictly."`
	CRDs  crdsCommand  `cmd:"" name:"crds" help:"Write the operators' own definitions into a folder."`
}

type writeCommand struct {
	Root string `default:"../.." type:"existingdir" help:"The repository's root."`
}

// Run writes.
func (c *writeCommand) Run(stdout io.Writer) error {
	// The manifests are made of the chart, and that of the copies.
	copied := tree{files: map[string]string{}}
	if err := copied.addCopies(c.Root); err != nil {
		return err
	}
	if _, err := copied.write(c.Root); err != nil {
		return err
	}
	made, err := generated(c.Root)
	if err != nil {
		return err
	}
	n, err := made.write(c.Root)
	fmt.Fprintln(stdout, n, "files written")
	return err
}

type checkCommand struct {
	Root   string   `default:"../.." type:"existingdir" help:"The repository's root."`
	Values []string `arg:"" optional:"" type:"existingfile" help:"Files of values, the last one's come first."`
	Print  bool     `help:"Print the objects, too."`
}

// Run checks.
func (c *checkCommand) Run(stdout io.Writer) error {
	values, err := readValues(c.Values...)
	if err != nil {
		return err
	}
	out, err := render(chartDir(c.Root), release{values: values})
	if err != nil {
		return err
	}
	known, err := loadSchemas()
	if err != nil {
		return err
	}
	bad := 0
	for _, o := range out.objects {
		if c.Print {
			fmt.Fprintln(stdout, "---\n"+o.text)
		}
		for _, problem := range append(known.check(o), policies(o)...) {
			bad++
			fmt.Fprintf(os.Stderr, "%s: %s\n", o.id(), problem)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d problems in %d objects", bad, len(out.objects))
	}
	fmt.Fprintf(os.Stderr, "%d objects, all well\n", len(out.objects))
	return nil
}

type crdsCommand struct {
	Out string `arg:"" type:"path" help:"Folder; made if it is not there."`
}

// Run writes.
func (c *crdsCommand) Run() error {
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	for _, from := range crds {
		for _, file := range from.files {
			text, err := from.read(file)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(c.Out, path.Base(file)), text, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
