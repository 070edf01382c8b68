package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// setting is one flag under all its names.
type setting struct {
	flag    *kong.Flag
	env     string // empty: the command line alone
	section string // of the YAML file, as printed; empty at the top
	key     string // within the section
	inFile  bool
}

// path is the setting's canonical name in the file: nats.url.
func (st *setting) path() string {
	if st.section == "" {
		return st.key
	}
	return st.section + "." + st.key
}

func (st *setting) secret() bool {
	t := st.flag.Target.Type()
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t == reflect.TypeFor[Secret]()
}

func (st *setting) list() bool { return st.flag.IsSlice() }

// try decodes the value and throws the result away.
func (st *setting) try(value any) error {
	target := reflect.New(st.flag.Target.Type()).Elem()
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
	}
	scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
	if err := st.flag.Mapper.Decode(&kong.DecodeContext{Value: st.flag.Value, Scan: scan}, target); err != nil {
		return err
	}
	if st.flag.Enum == "" {
		return nil
	}
	return st.checkEnum(target)
}

func (st *setting) checkEnum(v reflect.Value) error {
	for _, got := range texts(v) {
		if allowed := st.flag.EnumSlice(); !slices.Contains(allowed, got) {
			return fmt.Errorf("must be one of %s but got %q", strings.Join(allowed, ", "), got)
		}
	}
	return nil
}

// schema is every setting of the program, those of all its commands.
type schema struct {
	settings map[*kong.Flag]*setting
	named    map[string]*setting // by the flag's name; commands may share one
	sections map[string]bool     // what stands before a dash in a name
	envs     map[string]bool
}

// newSchema also takes the environment away from kong, which reads the
// process's own and quotes its values in errors.
func newSchema(app *kong.Application) (*schema, error) {
	s := &schema{
		settings: make(map[*kong.Flag]*setting), named: make(map[string]*setting),
		sections: make(map[string]bool), envs: make(map[string]bool),
	}
	err := kong.Visit(app.Node, func(v kong.Visitable, next kong.Next) error {
		if flag, ok := v.(*kong.Flag); ok {
			if err := s.add(flag); err != nil {
				return err
			}
		}
		return next(nil)
	})
	if err != nil {
		return nil, err
	}
	s.nest()
	return s, nil
}

func (s *schema) add(flag *kong.Flag) error {
	if flag.IsMap() {
		return fmt.Errorf("--%s: flags of a map type are not supported", flag.Name)
	}
	st := &setting{flag: flag, env: EnvPrefix + "_" + strings.ToUpper(underscored(flag.Name))}
	if envs := flag.Tag.Envs; len(envs) > 0 {
		st.env = envs[0]
		flag.Envs, flag.Tag.Envs = nil, nil
	}
	if st.env == "-" {
		st.env = ""
	}
	st.inFile = st.env != "" && flag.Name != "config"
	s.settings[flag] = st
	if s.named[flag.Name] == nil {
		s.named[flag.Name] = st
	}
	if st.env != "" {
		s.envs[st.env] = true
	}
	return nil
}

// nest gives each setting its printed place: below its first word where other
// settings of the file share that word and none is called by it alone.
func (s *schema) nest() {
	shared := make(map[string]int)
	for name, st := range s.named {
		if !st.inFile {
			continue
		}
		first, _, _ := strings.Cut(name, "-")
		shared[first]++
		for i, r := range name {
			if r == '-' {
				s.sections[name[:i]] = true
			}
		}
	}
	for _, st := range s.settings {
		first, rest, ok := strings.Cut(st.flag.Name, "-")
		if ok && shared[first] > 1 && s.named[first] == nil {
			st.section, st.key = first, underscored(rest)
			continue
		}
		st.key = underscored(st.flag.Name)
	}
}

// inFile finds the setting of a joined key of the file.
func (s *schema) inFile(name string) *setting {
	if st := s.named[name]; st != nil && st.inFile {
		return st
	}
	return nil
}

// nearestKey is the likeliest meaning of an unknown joined key, as it would
// be written, or empty.
func (s *schema) nearestKey(name string) string {
	written := make(map[string]string)
	for section := range s.sections {
		written[section] = section
	}
	for name, st := range s.named {
		if st.inFile {
			written[name] = st.path()
		}
	}
	return written[nearest(name, written)]
}

func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }

func dashed(name string) string { return strings.ReplaceAll(name, "_", "-") }
