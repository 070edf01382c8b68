package app

import (
	"strings"

	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Version is hogcast's version. A build for release sets it with
// -ldflags "-X …/pkg/app.Version=…", so it is a variable; nothing else does.
var Version = mapping.LibVersion

// ConnectConfig turns the settings of a program into the queue's. A context of
// the nats command gives what was not set.
func ConnectConfig(c config.NATS, sources *config.Sources) (queue.ConnectConfig, error) {
	out := queue.ConnectConfig{
		URLs: c.URL, Creds: c.Creds, NKey: c.NKey,
		User: c.User, Password: c.Password.Reveal(), Token: c.Token.Reveal(),
		TLSCA: c.TLSCA, TLSCert: c.TLSCert, TLSKey: c.TLSKey,
		Domain: c.Domain, Inbox: c.InboxPrefix,
	}
	if c.Context == "" {
		return out, nil
	}
	if !sources.Given("nats-url") {
		out.URLs = nil // the default, which the context's comes before
	}
	if err := out.ApplyContext(c.Context); err != nil {
		return out, &config.UsageError{Err: err}
	}
	return out, nil
}

// WithoutUsers are the same servers without the users, passwords and tokens in
// their URLs, which come before those that a connection is given otherwise.
func WithoutUsers(urls []string) []string {
	var out []string
	for text := range strings.SplitSeq(strings.Join(urls, ","), ",") {
		scheme, rest, ok := strings.Cut(strings.TrimSpace(text), "://")
		if !ok {
			scheme, rest = "", scheme
		}
		host, path, _ := strings.Cut(rest, "/")
		host = host[strings.LastIndexByte(host, '@')+1:]
		if scheme != "" {
			host = scheme + "://" + host
		}
		if path != "" {
			host += "/" + path
		}
		out = append(out, host)
	}
	return out
}
