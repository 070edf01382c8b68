package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
)

// settingsFlags are the settings of a destination. What is not given stays, or
// has its default.
type settingsFlags struct {
	APIKeyFile      string        `name:"api-key-file" env:"-" placeholder:"FILE" help:"File with the project API key, phc_…; - is standard input."`
	APIKey          config.Secret `name:"api-key" env:"-" placeholder:"KEY" help:"The key itself. Others can see it in the list of processes, and it stays in the shell's history: prefer --api-key-file."`
	Endpoint        *string       `env:"-" placeholder:"us|eu|URL" help:"Where PostHog is; us where nothing is said."`
	Protocol        *string       `env:"-" placeholder:"NAME" help:"auto, v1 or batch."`
	Region          *string       `env:"-" placeholder:"us|eu" help:"No host of another region is ever dialled; \"\" takes it back."`
	CAFile          string        `name:"ca-file" env:"-" placeholder:"FILE" help:"Certificates, PEM, to trust beside the system's."`
	Enabled         *bool         `negatable:"" env:"-" help:"Whether it is sent any events."`
	Paused          *bool         `negatable:"" env:"-" help:"Whether its events are held."`
	PrivacyMode     *bool         `negatable:"" env:"-" help:"No prompts, no completions: usage, cost and metadata only."`
	UserHashKeyFile string        `env:"-" placeholder:"FILE" help:"File with the key by which user ids are hashed."`
	Redact          []string      `sep:"none" env:"-" placeholder:"NAME[=REGEXP]" help:"Pattern to redact: email, phone, card, secret, or one of your own; may be repeated; \"\" alone takes all back."`
	MetadataAllow   []string      `env:"-" placeholder:"KEY" help:"Metadata that is sent, and no other; \"\" takes it back."`
	MetadataDeny    []string      `env:"-" placeholder:"KEY" help:"Metadata that is not sent; \"\" takes it back."`
	SamplingRate    *float64      `env:"-" placeholder:"PART" help:"Part of the records that is sent, 0.0001 to 1."`
	SampleErrors    *bool         `negatable:"" env:"-" help:"Whether failed generations are sent whatever the rate."`
	IncludeKeys     []string      `env:"-" placeholder:"ID" help:"Only records of these api_key_ids; \"\" takes it back."`
	ExcludeKeys     []string      `env:"-" placeholder:"ID" help:"No records of these api_key_ids; \"\" takes it back."`
	MaxRate         *float64      `env:"-" placeholder:"N" help:"Events a second of the whole fleet; 0 for no limit."`
	MaxConcurrency  *int          `env:"-" placeholder:"N" help:"Requests at once of the whole fleet; 0 for no limit."`
	HoldMax         *string       `env:"-" placeholder:"TIME" help:"How long what can't be delivered is held, such as 90m or 3d; \"\" for the fleet's own."`
}

// settings reads what is in files. given reports whether anything is.
func (f *settingsFlags) settings(system *config.System) (s admin.Settings, given bool, err error) {
	s = admin.Settings{
		Enabled: f.Enabled, Paused: f.Paused, PrivacyMode: f.PrivacyMode, SampleErrors: f.SampleErrors,
		Endpoint: f.Endpoint, Protocol: f.Protocol, Region: f.Region, HoldMax: f.HoldMax,
		SamplingRate: f.SamplingRate, MaxRate: f.MaxRate, MaxConcurrency: f.MaxConcurrency,
		IncludeKeys: f.IncludeKeys, ExcludeKeys: f.ExcludeKeys, AllowMetadata: f.MetadataAllow, DenyMetadata: f.MetadataDeny, Redact: f.Redact,
	}
	if s.APIKey, err = f.apiKey(system); err != nil {
		return s, false, err
	}
	if f.UserHashKeyFile != "" {
		text, err := oneValue("--user-hash-key-file", f.UserHashKeyFile, system)
		if err != nil {
			return s, false, err
		}
		secret := destination.NewSecret(text)
		s.UserHashKey = &secret
	}
	if f.CAFile != "" {
		text, err := oneValue("--ca-file", f.CAFile, system)
		if err != nil {
			return s, false, err
		}
		s.CA = &text
	}
	return s, !s.Empty(), nil
}

func (f *settingsFlags) apiKey(system *config.System) (*destination.Secret, error) {
	text := f.APIKey.Reveal()
	switch {
	case f.APIKeyFile != "" && text != "":
		return nil, config.Usagef("--api-key and --api-key-file exclude each other")
	case text != "":
		fmt.Fprintln(system.Stderr, "warning: a key on the command line can be seen by others, and stays in the shell's history; --api-key-file keeps it to yourself")
	case f.APIKeyFile != "":
		var err error
		if text, err = oneValue("--api-key-file", f.APIKeyFile, system); err != nil {
			return nil, err
		}
	default:
		return nil, nil //nolint:nilnil // not given
	}
	secret := destination.NewSecret(text)
	return &secret, nil
}

// oneValue reads a file of one value, without the space around it.
func oneValue(flag, file string, system *config.System) (string, error) {
	in, err := open(file, system.Stdin)
	if err != nil {
		return "", config.Usagef("%s: %w", flag, err)
	}
	defer func() { _ = in.Close() }()
	data, err := io.ReadAll(io.LimitReader(in, destination.MaxCABytes+1))
	text := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", config.Usagef("%s: %w", flag, err)
	case len(data) > destination.MaxCABytes:
		return "", config.Usagef("%s: %s has more than %d bytes", flag, file, destination.MaxCABytes)
	case text == "":
		return "", config.Usagef("%s: %s is empty", flag, file)
	}
	return text, nil
}

type destinationsPut struct {
	bucketFlags   `embed:""`
	egressFlags   `embed:""`
	who           `embed:""`
	settingsFlags `embed:"" group:"Settings:"`

	File        string  `short:"f" type:"string" env:"-" placeholder:"FILE" help:"One destination as YAML or JSON, as hogcast destinations get writes it; - is standard input."`
	Revision    *uint64 `env:"-" placeholder:"N" help:"The revision that you have seen, 0 for none; refused where somebody has changed it since. Default: the one that is there when the command starts."`
	NoTest      bool    `env:"-" help:"Save without Test Connection; the audit trail tells."`
	Output      string  `short:"o" enum:"text,json" default:"text" env:"-" help:"Form: ${enum}."`
	Destination string  `arg:"" optional:"" name:"destination" help:"TENANT.NAME, or TENANT for its destination \"default\"; with --file it may be left out."`
}

// Help is shown below the command's synopsis.
func (*destinationsPut) Help() string {
	return `Settings that are not given stay as they are. It shows what changes, tests the connection as workers would use it, and saves only if that is passed. ` +
		`Workers have the change within two seconds. Exit codes: 0 saved, or nothing to change; 1 not saved; 2 usage; 3 not saved, because the test could not be decided.`
}

// Examples are shown in the help.
func (*destinationsPut) Examples() string {
	return `hogcast destinations put acme.main --api-key-file key.txt --endpoint eu
vault read -field=key posthog/acme | hogcast destinations put acme.main --api-key-file -
hogcast destinations put acme.main --privacy-mode --sampling-rate 0.1
hogcast destinations put acme.main --endpoint https://posthog.acme.example --ca-file ca.pem --egress-allow 10.20.0.0/16
hogcast destinations put -f main.yaml --revision 12`
}

// Run saves.
func (c *destinationsPut) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	chosen, err := c.choice(system)
	if err != nil {
		return err
	}
	o := operator{bucket: c.bucketFlags, by: c.who, egress: &c.egressFlags}
	return o.with(ctx, system, sources, func(d *admin.Destinations) error {
		dest, err := chosen.destination(ctx, d, system)
		if err != nil {
			return err
		}
		return d.Put(ctx, admin.PutParams{Destination: dest, Revision: c.Revision, NoTest: c.NoTest, JSON: c.Output == "json"})
	})
}

func (c *destinationsPut) choice(system *config.System) (*chosen, error) {
	return choose(system, c.Destination, c.File, &c.settingsFlags)
}

// chosen is one destination: as a file has it, or as flags change it.
type chosen struct {
	id       destination.ID
	loaded   *destination.Destination
	settings admin.Settings
	given    bool // a setting, or a file
}

func choose(system *config.System, name, file string, flags *settingsFlags) (*chosen, error) {
	settings, given, err := flags.settings(system)
	if err != nil {
		return nil, err
	}
	c := &chosen{settings: settings, given: given || file != ""}
	if name != "" {
		if c.id, err = admin.ParseID(name); err != nil {
			return nil, &config.UsageError{Err: err}
		}
	}
	switch {
	case file == "" && name == "":
		return nil, config.Usagef("say which destination: TENANT.NAME, or --file")
	case file == "":
		return c, nil
	case given:
		return nil, config.Usagef("settings are given by flags or by --file, not by both")
	}
	if c.loaded, err = oneOf(system, file, c.id); err != nil {
		return nil, &config.UsageError{Err: err}
	}
	c.id = c.loaded.ID
	return c, nil
}

// oneOf reads the one destination of a file, or the one of that ID.
func oneOf(system *config.System, file string, id destination.ID) (*destination.Destination, error) {
	loaded, err := loadUpdates(system, file)
	if err != nil {
		return nil, err
	}
	var found []*destination.Destination
	for _, d := range loaded.Destinations {
		if id == (destination.ID{}) || d.ID == id {
			found = append(found, d)
		}
	}
	switch {
	case len(loaded.Problems) > 0:
		errs := make([]error, len(loaded.Problems))
		for i, p := range loaded.Problems {
			errs[i] = p
		}
		return nil, errors.Join(errs...)
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("%s holds %d destinations; say which, or use hogcast destinations apply", file, len(found))
	case id != (destination.ID{}) && len(loaded.Destinations) > 0:
		return nil, fmt.Errorf("%s holds no %s", file, id)
	}
	return nil, fmt.Errorf("%s holds no destination", file)
}

func loadUpdates(system *config.System, file string) (*registry.Loaded, error) {
	if file != "-" {
		return registry.LoadUpdates(file)
	}
	data, err := io.ReadAll(io.LimitReader(system.Stdin, registry.MaxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > registry.MaxFileBytes {
		return nil, fmt.Errorf("standard input has more than %d bytes", registry.MaxFileBytes)
	}
	return registry.ParseUpdates("standard input", data)
}

// destination is the next version of what was chosen. A key that a new one
// lacks is asked for where somebody can be.
func (c *chosen) destination(ctx context.Context, d *admin.Destinations, system *config.System) (*destination.Destination, error) {
	if c.loaded != nil {
		return c.loaded, nil
	}
	if c.settings.APIKey == nil {
		fresh, err := d.Fresh(ctx, c.id)
		if err != nil {
			return nil, err
		}
		if fresh {
			if c.settings.APIKey, err = askKey(system, c.id); err != nil {
				return nil, err
			}
		}
	}
	dest, err := d.With(ctx, c.id, c.settings)
	if errors.Is(err, admin.ErrSettings) {
		return nil, &config.UsageError{Err: err}
	}
	return dest, err
}

// askKey asks for a key that is not shown while it is typed.
func askKey(system *config.System, id destination.ID) (*destination.Secret, error) {
	in, ok := system.Stdin.(*os.File)
	if !ok || !config.IsTerminal(system.Stdin) {
		return nil, config.Usagef("%s is new, and so needs a key: --api-key-file FILE, or - for standard input", id)
	}
	fmt.Fprintf(system.Stderr, "Project API key of %s (phc_…): ", id)
	text, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(system.Stderr)
	if err != nil {
		return nil, err
	}
	secret := destination.NewSecret(strings.TrimSpace(string(text)))
	return &secret, nil
}
