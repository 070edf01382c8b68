package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// natsContext is a context file of the `nats` command: what hogcast can use of
// it, and what it must not pass over in silence.
type natsContext struct {
	URL      string `json:"url"`
	Creds    string `json:"creds"`
	NKey     string `json:"nkey"`
	User     string `json:"user"`
	Password string `json:"password"`
	Token    string `json:"token"`
	CA       string `json:"ca"`
	Cert     string `json:"cert"`
	Key      string `json:"key"`
	Domain   string `json:"jetstream_domain"`
	Inbox    string `json:"inbox_prefix"`

	NSC       string `json:"nsc"`
	UserJWT   string `json:"user_jwt"`
	UserSeed  string `json:"user_seed"`
	Proxy     string `json:"socks_proxy"`
	APIPrefix string `json:"jetstream_api_prefix"`
}

// ApplyContext fills what the config leaves empty from a context of the `nats`
// command, $XDG_CONFIG_HOME/nats/context/NAME.json (~/.config where that is
// not set). Credentials come from one place: where the config has any, the
// context's are left. An error names the file and key, never a value.
func (c *ConnectConfig) ApplyContext(name string) error {
	n, err := readContext(name)
	if err != nil {
		return fmt.Errorf("nats context %q: %w", name, err)
	}
	if len(c.URLs) == 0 && n.URL != "" {
		c.URLs = splitURLs([]string{n.URL})
	}
	if c.Creds == "" && c.NKey == "" && c.User == "" && c.Password == "" && c.Token == "" {
		c.Creds, c.NKey, c.User, c.Password, c.Token = n.Creds, n.NKey, n.User, n.Password, n.Token
	}
	if c.TLSCert == "" && c.TLSKey == "" {
		c.TLSCert, c.TLSKey = n.Cert, n.Key
	}
	fill(&c.TLSCA, n.CA)
	fill(&c.Domain, n.Domain)
	fill(&c.Inbox, n.Inbox)
	return nil
}

func fill(to *string, value string) {
	if *to == "" {
		*to = value
	}
}

func readContext(name string) (natsContext, error) {
	if name == "" || name != filepath.Base(name) || strings.Contains(name, "..") {
		return natsContext{}, errors.New("not a name; see `nats context ls`")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return natsContext{}, fmt.Errorf("finding its folder: %w", err)
	}
	folder := os.Getenv("XDG_CONFIG_HOME")
	if folder == "" {
		folder = filepath.Join(home, ".config")
	}
	data, err := os.ReadFile(filepath.Join(folder, "nats", "context", name+".json")) //nolint:gosec // the operator names it
	if err != nil {
		return natsContext{}, fmt.Errorf("reading: %w", err)
	}
	var n natsContext
	if json.Unmarshal(data, &n) != nil { // its error would quote the file
		return natsContext{}, errors.New("not JSON of the kind that the nats command writes")
	}
	for _, file := range []*string{&n.Creds, &n.NKey, &n.CA, &n.Cert, &n.Key} {
		if rest, ok := strings.CutPrefix(*file, "~/"); ok {
			*file = filepath.Join(home, rest)
		}
	}
	return n, n.unsupported()
}

// unsupported names what would be passed over: connecting without it would be
// connecting as somebody else, or to somewhere else.
func (n natsContext) unsupported() error {
	for key, value := range map[string]string{
		"nsc": n.NSC, "user_jwt": n.UserJWT, "user_seed": n.UserSeed, "socks_proxy": n.Proxy, "jetstream_api_prefix": n.APIPrefix,
	} {
		if value != "" {
			return fmt.Errorf("%s is not supported by hogcast; use creds, nkey, user, token or certificates", key)
		}
	}
	return nil
}
