package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Form is an entry as it is written: in files as YAML, in the bucket as JSON.
// Settings that are left out have their defaults.
type Form struct {
	Tenant         string       `json:"tenant"                    yaml:"tenant"`
	Name           string       `json:"name"                      yaml:"name"`
	Enabled        bool         `json:"enabled"                   yaml:"enabled"`
	Paused         bool         `json:"paused,omitempty"          yaml:"paused,omitempty"`
	APIKey         string       `json:"api_key,omitempty"         yaml:"api_key,omitempty"`
	Endpoint       string       `json:"endpoint"                  yaml:"endpoint"`
	Protocol       string       `json:"protocol"                  yaml:"protocol"`
	Region         string       `json:"region,omitempty"          yaml:"region,omitempty"`
	CA             string       `json:"ca,omitempty"              yaml:"ca,omitempty"`
	PrivacyMode    bool         `json:"privacy_mode"              yaml:"privacy_mode"`
	Privacy        *PrivacyForm `json:"privacy,omitempty"         yaml:"privacy,omitempty"`
	SamplingRate   float64      `json:"sampling_rate"             yaml:"sampling_rate"`
	SampleErrors   bool         `json:"sample_errors,omitempty"   yaml:"sample_errors,omitempty"`
	APIKeys        *FilterForm  `json:"api_keys,omitempty"        yaml:"api_keys,omitempty"`
	MaxRate        float64      `json:"max_rate,omitempty"        yaml:"max_rate,omitempty"`
	MaxConcurrency int          `json:"max_concurrency,omitempty" yaml:"max_concurrency,omitempty"`
	HoldMax        string       `json:"hold_max,omitempty"        yaml:"hold_max,omitempty"`
}

// PrivacyForm is `privacy:`.
type PrivacyForm struct {
	Metadata    *MetadataForm `json:"metadata,omitempty"      yaml:"metadata,omitempty"`
	UserHashKey string        `json:"user_hash_key,omitempty" yaml:"user_hash_key,omitempty"`
	Redact      []PatternForm `json:"redact,omitempty"        yaml:"redact,omitempty"`
}

// FilterForm is `api_keys:`.
type FilterForm struct {
	Include []string `json:"include,omitempty" yaml:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty" yaml:"exclude,omitempty"`
}

// MetadataForm is `privacy.metadata:`.
type MetadataForm struct {
	Allow []string `json:"allow,omitempty" yaml:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"  yaml:"deny,omitempty"`
}

// PatternForm is one of `privacy.redact:`: the name of a built-in pattern, or
// {name, pattern}.
type PatternForm struct{ Name, Pattern string }

type ownPattern struct {
	Name    string `json:"name"    yaml:"name"`
	Pattern string `json:"pattern" yaml:"pattern"`
}

func (p PatternForm) form() any {
	if p.Pattern == "" {
		return p.Name
	}
	return ownPattern(p)
}

// MarshalJSON implements json.Marshaler.
func (p PatternForm) MarshalJSON() ([]byte, error) { return json.Marshal(p.form()) }

// MarshalYAML implements yaml.Marshaler.
func (p PatternForm) MarshalYAML() (any, error) { return p.form(), nil }

// Secrets says how a form shows secrets.
type Secrets bool

// The ways. A masked form may be given back as an update: what is masked stays.
const (
	Masked   Secrets = false
	Revealed Secrets = true
)

// FormOf renders a destination.
func FormOf(d *destination.Destination, secrets Secrets) Form {
	f := Form{
		Tenant: d.Tenant, Name: d.Name, Enabled: d.Enabled, Paused: d.Paused,
		Endpoint: shortEndpoint(d.Endpoint), Protocol: string(d.Protocol), Region: string(d.Region), CA: d.CA,
		PrivacyMode: d.PrivacyMode, SamplingRate: d.SamplingRate, SampleErrors: d.SampleErrors,
		MaxRate: d.MaxRate, MaxConcurrency: d.MaxConcurrency, HoldMax: formatDuration(d.HoldMax),
	}
	if !d.APIKey.Empty() {
		f.APIKey = d.APIKey.Masked()
		if secrets == Revealed {
			f.APIKey = d.APIKey.Reveal()
		}
	}
	if !d.APIKeys.Empty() {
		f.APIKeys = &FilterForm{Include: d.APIKeys.Include, Exclude: d.APIKeys.Exclude}
	}
	if !d.Privacy.Empty() {
		f.Privacy = privacyForm(d.Privacy, secrets)
	}
	return f
}

func privacyForm(r destination.Rules, secrets Secrets) *PrivacyForm {
	f := &PrivacyForm{}
	if !r.Metadata.Empty() {
		f.Metadata = &MetadataForm{Allow: r.Metadata.Allow, Deny: r.Metadata.Deny}
	}
	switch {
	case r.UserHashKey.Empty():
	case secrets == Revealed:
		f.UserHashKey = r.UserHashKey.Reveal()
	default:
		f.UserHashKey = r.UserHashKey.String() // nobody needs to recognise it
	}
	for _, p := range r.Redact {
		f.Redact = append(f.Redact, PatternForm{p.Name, p.Expr})
	}
	return f
}

func shortEndpoint(endpoint string) string {
	switch endpoint {
	case destination.EndpointUS:
		return "us"
	case destination.EndpointEU:
		return "eu"
	}
	return endpoint
}

// formatDuration writes 72h for Go's 72h0m0s.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// JSON renders an entry as JSON, indented where indent is not "".
func (f Form) JSON(indent string) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(f); err != nil {
		return nil, fmt.Errorf("rendering %s.%s: %w", f.Tenant, f.Name, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// YAML renders entries as a destinations file.
func YAML(forms ...Form) ([]byte, error) {
	if forms == nil {
		forms = []Form{}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	err := enc.Encode(struct {
		Destinations []Form `yaml:"destinations"`
	}{forms})
	if err != nil {
		return nil, fmt.Errorf("rendering destinations: %w", err)
	}
	return out.Bytes(), enc.Close()
}
