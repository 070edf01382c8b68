package config

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// globals are the flags of every program.
type globals struct {
	Help        helpFlag    `short:"h" env:"-" help:"Show help and exit."`
	Version     versionFlag `env:"-" help:"Show the version and exit."`
	Config      string      `placeholder:"FILE" help:"Read settings from this YAML file."`
	PrintConfig bool        `env:"-" help:"Print the effective configuration as YAML, with where each value came from and secrets masked, and exit."`
}

type helpFlag bool

// BeforeReset ends the parsing before anything is demanded of the user.
func (helpFlag) BeforeReset() error { return errHelp }

// IgnoreDefault keeps a default command from taking the flag over.
func (helpFlag) IgnoreDefault() {}

type versionFlag bool

// BeforeReset ends the parsing before anything is demanded of the user.
func (versionFlag) BeforeReset() error { return errVersion }

// IgnoreDefault keeps a default command from taking the flag over.
func (versionFlag) IgnoreDefault() {}

// parser is one program being configured. It serves one Run.
type parser struct {
	program Program
	system  System
	kong    *kong.Kong
	globals globals
	schema  *schema
	env     environment
	file    *file // nil until it is read, and where there is none
	origins map[*kong.Flag]Origin
}

func newParser(p Program, s System) (*parser, error) {
	if p.Version == "" {
		p.Version = "devel"
	}
	ps := &parser{program: p, system: s, env: newEnvironment(s.Env), origins: make(map[*kong.Flag]Origin)}
	k, err := kong.New(p.CLI,
		kong.Name(p.Name), kong.Description(p.Description), kong.NoDefaultHelp(),
		kong.Embed(&ps.globals, `group:"Global:"`),
		kong.Writers(s.Stdout, s.Stderr), kong.Exit(func(int) {}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: helpWidth}),
		kong.ValueFormatter(ps.describe), kong.Help(ps.printHelp),
		kong.WithBeforeResolve(ps.readFile), kong.Resolvers(ps),
	)
	if err != nil {
		return nil, err
	}
	ps.kong = k
	ps.schema, err = newSchema(k.Model)
	if err != nil {
		return nil, err
	}
	// kong prints its pointers to --help only where it knows that flag.
	k.Model.HelpFlag = ps.schema.named["help"].flag
	return ps, nil
}

// readFile reads the file that --config or the environment names. kong calls
// it once for every word of the command line.
func (ps *parser) readFile(kctx *kong.Context) error {
	if ps.file != nil {
		return nil
	}
	st := ps.schema.named["config"]
	path, _ := kctx.FlagValue(st.flag).(string)
	if _, given := given(kctx)[st.flag]; !given {
		path = ps.env[st.env]
	}
	if path == "" {
		return nil
	}
	f, err := readFile(path, ps.schema)
	ps.file = f
	return err
}

// given is the set of flags on the command line.
func given(kctx *kong.Context) map[*kong.Flag]bool {
	flags := make(map[*kong.Flag]bool)
	for _, p := range kctx.Path {
		if p.Flag != nil && !p.Resolved {
			flags[p.Flag] = true
		}
	}
	return flags
}

// Validate implements kong.Resolver. The file was checked when it was read.
func (*parser) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver for flags that are not on the command line.
func (ps *parser) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	st := ps.schema.settings[flag]
	if st == nil {
		return nil, nil
	}
	if v := ps.env[st.env]; st.env != "" && v != "" {
		return ps.accept(st, v, Origin{Source: FromEnv, Name: st.env}, "")
	}
	if e, ok := ps.file.lookup(st); ok {
		return ps.accept(st, e.value, e.origin, e.key)
	}
	return nil, nil
}

// accept tries the value, so that an error tells the place and not just the
// flag.
func (ps *parser) accept(st *setting, value any, from Origin, key string) (any, error) {
	if err := st.try(value); err != nil {
		return nil, &originError{origin: from, key: key, err: err}
	}
	ps.origins[st.flag] = from
	return value, nil
}

// Source is a kind of place that a value can come from.
type Source string

// The sources, the strongest first.
const (
	FromFlag    Source = "flag"
	FromEnv     Source = "env"
	FromFile    Source = "file"
	FromDefault Source = "default"
)

// Origin is where a setting's value came from. Name is the variable's or the
// file's, Line the file's.
type Origin struct {
	Source Source
	Name   string
	Line   int
}

// String is `env NAME`, `FILE:LINE`, or the source.
func (o Origin) String() string {
	switch o.Source {
	case FromEnv:
		return "env " + o.Name
	case FromFile:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	}
	return string(o.Source)
}

// Sources tells a command where its settings came from.
type Sources struct{ byName map[string]Origin }

// Of returns the origin of a flag's value, by its name without dashes before.
func (s *Sources) Of(flag string) Origin {
	if o, ok := s.byName[flag]; ok {
		return o
	}
	return Origin{Source: FromDefault}
}

// Given reports whether somebody set the flag, by whatever means.
func (s *Sources) Given(flag string) bool { return s.Of(flag).Source != FromDefault }

func (ps *parser) sources(kctx *kong.Context) *Sources {
	s := &Sources{byName: make(map[string]Origin)}
	for flag, o := range ps.origins {
		s.byName[flag.Name] = o
	}
	for flag := range given(kctx) {
		s.byName[flag.Name] = Origin{Source: FromFlag}
	}
	return s
}
