package embedded

import (
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Settings are those of a server's configuration file that a server does not
// tell its clients, or not all of them.
type Settings struct {
	Encrypted    bool   // what JetStream stores
	Cipher       string // how
	SyncAlways   bool
	SyncInterval time.Duration
	TLS          bool // of clients
}

var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"|` + "`[^`]*`")

// defaultSync is the server's own sync_interval.
const defaultSync = 2 * time.Minute

// ReadFile reads a nats-server's configuration file, with the files that it
// includes and the variables of the environment.
func ReadFile(path string) (Settings, error) {
	o, err := server.ProcessConfigFile(path)
	if err != nil {
		// Its text quotes the file, which can hold passwords.
		return Settings{}, fmt.Errorf("reading the server's configuration: %s", quoted.ReplaceAllString(err.Error(), "…"))
	}
	s := Settings{
		SyncAlways: o.SyncAlways, SyncInterval: o.SyncInterval, TLS: o.TLSConfig != nil,
		Encrypted: o.JetStreamKey != "" || o.JetStreamTpm.KeysFile != "",
	}
	if s.SyncInterval == 0 {
		s.SyncInterval = defaultSync
	}
	if s.Encrypted {
		s.Cipher = o.JetStreamCipher.String()
		if o.JetStreamCipher == server.NoCipher { // which is then the server's default
			s.Cipher = server.ChaCha.String()
		}
	}
	return s, nil
}
