package app

import (
	"errors"

	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/seal"
)

// Secrets says how secrets at rest are encrypted.
type Secrets struct {
	Keys *seal.Keys // nil: none
	// AllowPlain permits secrets in plain where there is no key: development.
	AllowPlain bool
}

// SecretsOf reads the master keys that a program is told of.
func SecretsOf(c config.Secrets) (Secrets, error) {
	out := Secrets{AllowPlain: c.AllowPlain}
	var err error
	switch {
	case c.KeyFile != "" && !c.Keys.Empty():
		return out, config.Usagef("--secrets-key-file and --secrets-keys exclude each other")
	case c.KeyFile != "":
		out.Keys, err = seal.FromFile(c.KeyFile)
	case !c.Keys.Empty():
		out.Keys, err = seal.FromText(c.Keys.Reveal())
	}
	return out, err
}

// Validate refuses to read secrets in plain where that was not allowed.
func (s Secrets) Validate() error {
	if s.Keys.Ring() == nil && !s.AllowPlain {
		return errors.New("secrets-key-file: missing; the bucket of destinations holds encrypted secrets. " +
			"Give the master keys with --secrets-key-file or HOGCAST_SECRETS_KEYS, or destinations in files with --destinations; " +
			"only for development: --secrets-allow-plain")
	}
	return nil
}
