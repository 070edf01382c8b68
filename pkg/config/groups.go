package config

// NATS says how to reach NATS. Embed it with its prefix:
//
//	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
type NATS struct {
	URL         []string `name:"url" default:"nats://127.0.0.1:4222" placeholder:"URL" help:"NATS servers, comma separated."`
	Context     string   `name:"context" placeholder:"NAME" help:"Context of the nats command to take the connection from."`
	Creds       string   `name:"creds" placeholder:"FILE" help:"Credentials file (JWT and seed)."`
	NKey        string   `name:"nkey" placeholder:"FILE" help:"File with the NKey's seed."`
	User        string   `name:"user" placeholder:"NAME" help:"User name."`
	Password    Secret   `name:"password" placeholder:"SECRET" help:"The user's password; better given by environment or file than on a command line."`
	Token       Secret   `name:"token" placeholder:"SECRET" help:"Token; better given by environment or file than on a command line."`
	TLSCA       string   `name:"tls-ca" placeholder:"FILE" help:"Certificate authorities to trust, PEM."`
	TLSCert     string   `name:"tls-cert" placeholder:"FILE" help:"Client certificate, PEM; goes with --nats-tls-key."`
	TLSKey      string   `name:"tls-key" placeholder:"FILE" help:"Client key, PEM."`
	Domain      string   `name:"domain" placeholder:"NAME" help:"JetStream domain."`
	InboxPrefix string   `name:"inbox-prefix" placeholder:"SUBJECT" help:"Prefix of reply subjects, where permissions ask for one."`
}

// Log says what is logged, and how. Embed it with its prefix:
//
//	Log config.Log `embed:"" prefix:"log-" group:"Logging:"`
type Log struct {
	Level  string `name:"level" placeholder:"LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: ${enum}."`
	Format string `name:"format" placeholder:"FORM" default:"auto" enum:"auto,json,console" help:"Form of the log: ${enum}; auto is console on a terminal, else JSON."`
}

// Secrets says how secrets at rest are encrypted. Embed it with its prefix:
//
//	Secrets config.Secrets `embed:"" prefix:"secrets-" group:"Secrets:"`
type Secrets struct {
	KeyFile    string `name:"key-file" placeholder:"FILE" help:"Master keys for the secrets of destinations, one a line: ID:KEY, KEY from openssl rand -base64 32. The first encrypts, all decrypt. Reloaded when it changes."`
	Keys       Secret `name:"keys" placeholder:"ID:KEY,…" help:"The same keys, comma separated; better given by the environment than on a command line."`
	AllowPlain bool   `name:"allow-plain" help:"Without master keys, store secrets in plain: for development."`
}
