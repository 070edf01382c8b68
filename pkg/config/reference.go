package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Reference is a Markdown page of every command with its flags, variables,
// YAML keys and defaults. It panics on a CLI that kong refuses: that is a
// fault of the program.
func Reference(p Program) string {
	ps, err := newParser(p, System{}.withDefaults())
	if err != nil {
		panic(fmt.Sprintf("config: %s: %v", p.Name, err))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s\n", p.Name, p.Description, referenceIntro)
	app := ps.kong.Model.Node
	if len(app.Children) > 0 {
		fmt.Fprintf(&b, "\n## Every command\n\n")
		ps.flagTable(&b, app.Flags)
	} else {
		ps.commandReference(&b, app)
	}
	for _, cmd := range app.Leaves(true) {
		ps.commandReference(&b, cmd)
	}
	return b.String()
}

const referenceIntro = `Each setting has one name in four forms; the first that is set wins: the flag,
the environment variable, the key of the YAML file that ` + "`--config`" + ` names, the
default. In the file keys may be nested or joined (` + "`nats: {url: …}`, `nats-url: …`" + `),
` + "`-` and `_`" + ` are the same, and lists are YAML lists or comma separated.
` + "`--print-config`" + ` shows what is in force.`

func (ps *parser) commandReference(b *strings.Builder, cmd *kong.Node) {
	fmt.Fprintf(b, "\n## %s\n\n", cmd.FullPath())
	if cmd.Help != "" && cmd.Parent != nil {
		fmt.Fprintf(b, "%s\n\n", cmd.Help)
	}
	fmt.Fprintf(b, "```\n%s\n```\n", strings.TrimSpace(ps.program.Name+" "+strings.TrimSpace(cmd.Summary())))
	for _, arg := range cmd.Positional {
		fmt.Fprintf(b, "\n- `%s`: %s\n", arg.Summary(), arg.Help)
	}
	if flags := ownFlags(cmd); len(flags) > 0 {
		b.WriteByte('\n')
		ps.flagTable(b, flags)
	}
	examples := examplesOf(cmd)
	if cmd.Parent == nil {
		examples = ps.program.Examples
	}
	if examples != "" {
		fmt.Fprintf(b, "\n```\n%s\n```\n", strings.TrimSpace(examples))
	}
}

// ownFlags are the command's flags and those of the commands above it, without
// the program's.
func ownFlags(cmd *kong.Node) []*kong.Flag {
	if cmd.Parent == nil {
		return cmd.Flags
	}
	var flags []*kong.Flag
	for n := cmd; n.Parent != nil; n = n.Parent {
		flags = append(slices.Clip(n.Flags), flags...)
	}
	return flags
}

func (ps *parser) flagTable(b *strings.Builder, flags []*kong.Flag) {
	b.WriteString("| flag | environment | YAML | default | |\n|---|---|---|---|---|\n")
	for _, flag := range flags {
		if flag.Hidden {
			continue
		}
		st, key := ps.schema.settings[flag], ""
		if st.inFile {
			key = st.path()
		}
		name := flagName(flag)
		if flag.Required {
			flag.Help = strings.TrimSuffix(flag.Help, ".") + ". Required."
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", code(name), code(st.env), code(key), code(flag.Default), cell(flag.Help))
	}
}

func flagName(flag *kong.Flag) string {
	name := "--" + flag.Name
	if flag.Tag.Negatable != "" {
		name = "--[no-]" + flag.Name
	}
	if flag.Short != 0 {
		name = "-" + string(flag.Short) + ", " + name
	}
	return name
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

// cell keeps a text within its cell of the table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
