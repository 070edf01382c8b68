package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// helpWidth is the widest that help is set, in columns.
const helpWidth = 100

// exampler is a command that shows how it is used, one command line a line.
type exampler interface{ Examples() string }

// describe is a flag's help with its default and the variable that sets it.
func (ps *parser) describe(v *kong.Value) string {
	help := strings.TrimSuffix(v.Help, ".")
	if v.Flag == nil || ps.schema == nil {
		return help
	}
	var notes []string
	if v.HasDefault && v.Default != "" && !v.IsBool() {
		notes = append(notes, "default "+v.Default)
	}
	if st := ps.schema.settings[v.Flag]; st != nil && st.env != "" {
		notes = append(notes, "$"+st.env)
	}
	if len(notes) == 0 {
		return help
	}
	return fmt.Sprintf("%s (%s)", help, strings.Join(notes, ", "))
}

// printHelp is kong's help with the examples below.
func (ps *parser) printHelp(options kong.HelpOptions, kctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, kctx); err != nil {
		return err
	}
	examples := ps.program.Examples
	if cmd := kctx.Selected(); cmd != nil {
		examples = examplesOf(cmd)
	}
	if examples == "" {
		return nil
	}
	_, err := io.WriteString(kctx.Stdout, "\nExamples:\n"+indented(examples)+"\n")
	return err
}

func examplesOf(cmd *kong.Node) string {
	if ex, ok := reflect.TypeAssert[exampler](cmd.Target.Addr()); ok {
		return strings.TrimSpace(ex.Examples())
	}
	return ""
}

func indented(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("  "+line, " ")
	}
	return strings.Join(lines, "\n")
}
