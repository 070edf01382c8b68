package app

import (
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Version is hogcast's version.
const Version = mapping.LibVersion

// ConnectConfig turns the settings of a program into the queue's.
func ConnectConfig(c config.NATS) (queue.ConnectConfig, error) {
	out := queue.ConnectConfig{
		URLs: c.URL, Creds: c.Creds, NKey: c.NKey,
		User: c.User, Password: c.Password.Reveal(), Token: c.Token.Reveal(),
		TLSCA: c.TLSCA, TLSCert: c.TLSCert, TLSKey: c.TLSKey,
		Domain: c.Domain, Inbox: c.InboxPrefix,
	}
	if c.Context == "" {
		return out, nil
	}
	return out, out.ApplyContext(c.Context)
}
