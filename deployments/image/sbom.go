package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// newSBOM is a CycloneDX bill of materials of what was built in dir, read from
// the binaries themselves; the same for the same binaries.
func newSBOM(s source, platform, dir string) ([]byte, error) {
	modules := map[string]cdx.Component{}
	for _, program := range programs {
		info, err := buildinfo.ReadFile(filepath.Join(dir, program))
		if err != nil {
			return nil, err
		}
		std := component("std", strings.TrimPrefix(info.GoVersion, "go"), "")
		modules[std.BOMRef] = std
		for _, dep := range info.Deps {
			c := moduleComponent(dep)
			modules[c.BOMRef] = c
		}
	}
	// The CA roots are in the image as a file.
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if strings.HasSuffix(dep.Path, "/x509roots/fallback") {
				c := moduleComponent(dep)
				modules[c.BOMRef] = c
			}
		}
	}
	refs := slices.Sorted(maps.Keys(modules))
	components := make([]cdx.Component, 0, len(refs))
	for _, ref := range refs {
		components = append(components, modules[ref])
	}
	return encode(s, platform, components)
}

func encode(s source, platform string, components []cdx.Component) ([]byte, error) {
	main := component(module, "v"+strings.TrimPrefix(s.Version, "v"), "")
	main.Type, main.Name = cdx.ComponentTypeApplication, "hogcast"
	main.Licenses = &cdx.Licenses{{License: &cdx.License{ID: "MIT"}}}
	refs := make([]string, 0, len(components))
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, []byte(strings.Join(append(refs, main.BOMRef, platform), "\n"))).URN()
	bom.Metadata = &cdx.Metadata{
		Timestamp: s.created().Format(time.RFC3339), Component: &main,
		Properties: &[]cdx.Property{{Name: "hogcast:platform", Value: platform}},
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	var out bytes.Buffer
	err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
	return out.Bytes(), err
}

func moduleComponent(m *debug.Module) cdx.Component {
	if m.Replace != nil {
		m = m.Replace
	}
	return component(m.Path, m.Version, m.Sum)
}

// component describes a Go module; sum is as in go.sum.
func component(path, version, sum string) cdx.Component {
	purl := "pkg:golang/" + path + "@" + version
	c := cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: purl}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:")); err == nil && len(raw) > 0 {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(raw)}}
	}
	return c
}
