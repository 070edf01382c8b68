package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"sigs.k8s.io/yaml"
)

// schemas are the types that objects may have. Fields that a type does not have
// are errors, as they are to an API server that is asked strictly.
type schemas struct {
	builtins string // folder of Kubernetes' own, one file a group and version
	custom   map[string]map[string]any
	compiled sync.Map // type → *jsonschema.Schema, or error
}

// loadSchemas fetches what is not in the module cache yet.
func loadSchemas() (*schemas, error) {
	dir, err := builtins.fetch()
	if err != nil {
		return nil, err
	}
	minor := strings.TrimSuffix(strings.TrimPrefix(kubeVersion, "v"), ".0")
	s := &schemas{builtins: filepath.Join(dir, "pkg", "openapiclient", "builtins", minor), custom: map[string]map[string]any{}}
	for _, from := range crds {
		for _, file := range from.files {
			text, err := from.read(file)
			if err != nil {
				return nil, err
			}
			if err := s.addCRD(text); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return s, nil
}

// addCRD adds the served versions of a CustomResourceDefinition.
func (s *schemas) addCRD(text []byte) error {
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Served bool
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return err
	}
	for _, v := range crd.Spec.Versions {
		if !v.Served {
			continue
		}
		root := v.Schema.OpenAPIV3Schema
		properties, ok := root["properties"].(map[string]any)
		if !ok {
			return errors.New("no schema")
		}
		properties["apiVersion"] = map[string]any{"type": "string"}
		properties["kind"] = map[string]any{"type": "string"}
		properties["metadata"] = map[string]any{"type": "object"} // checked apart
		s.custom[crd.Spec.Group+"/"+v.Name+"/"+crd.Spec.Names.Kind] = root
	}
	return nil
}

// check returns what is wrong with an object.
func (s *schemas) check(o object) []string {
	group, version := o.groupVersion()
	key := group + "/" + version + "/" + o.kind()
	schema, err := s.compile(key, group, version, o.kind())
	if err != nil {
		return []string{err.Error()}
	}
	problems := validate(schema, o.content)
	if _, custom := s.custom[key]; custom {
		meta, err := s.compile("meta", "", "v1", "ObjectMeta")
		if err != nil {
			return append(problems, err.Error())
		}
		problems = append(problems, validate(meta, o.at("metadata"))...)
	}
	return problems
}

func validate(schema *jsonschema.Schema, content any) []string {
	raw, err := json.Marshal(content)
	if err != nil {
		return []string{err.Error()}
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		return []string{err.Error()}
	}
	var invalid *jsonschema.ValidationError
	if err := schema.Validate(instance); errors.As(err, &invalid) {
		return leaves(invalid)
	} else if err != nil {
		return []string{err.Error()}
	}
	return nil
}

// leaves are the causes that have none themselves: what the user can mend.
func leaves(e *jsonschema.ValidationError) []string {
	if len(e.Causes) == 0 {
		text := e.ErrorKind.LocalizedString(message.NewPrinter(language.English))
		return []string{"/" + strings.Join(e.InstanceLocation, "/") + ": " + text}
	}
	var out []string
	for _, cause := range e.Causes {
		out = append(out, leaves(cause)...)
	}
	return out
}

func (s *schemas) compile(key, group, version, kind string) (*jsonschema.Schema, error) {
	if known, ok := s.compiled.Load(key); ok {
		if err, ok := known.(error); ok {
			return nil, err
		}
		return known.(*jsonschema.Schema), nil
	}
	schema, err := s.build(key, group, version, kind)
	if err != nil {
		s.compiled.Store(key, err)
		return nil, err
	}
	s.compiled.Store(key, schema)
	return schema, nil
}

func (s *schemas) build(key, group, version, kind string) (*jsonschema.Schema, error) {
	document, at := s.custom[key], ""
	if document == nil {
		var err error
		if document, at, err = s.builtin(group, version, kind); err != nil {
			return nil, err
		}
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	url := "mem:///" + key
	if err := compiler.AddResource(url, strict(document)); err != nil {
		return nil, err
	}
	return compiler.Compile(url + "#" + at)
}

// builtin finds a type of Kubernetes' own: the document, and where in it.
func (s *schemas) builtin(group, version, kind string) (map[string]any, string, error) {
	file := filepath.Join(s.builtins, "apis", group, version+".json")
	if group == "" {
		file = filepath.Join(s.builtins, "api", version+".json")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", fmt.Errorf("no %s of %s/%s in Kubernetes %s, and there is no CRD for it here", kind, group, version, kubeVersion)
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, "", err
	}
	all, _ := object{content: document}.at("components", "schemas").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasSuffix(name, "."+version+"."+kind) {
			return document, "/components/schemas/" + name, nil
		}
	}
	return nil, "", fmt.Errorf("no %s of %s/%s in Kubernetes %s", kind, group, version, kubeVersion)
}
