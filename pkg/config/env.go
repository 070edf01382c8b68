package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// environment maps names to values; of two with one name the last wins.
type environment map[string]string

func newEnvironment(pairs []string) environment {
	env := make(environment, len(pairs))
	for _, pair := range pairs {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	return env
}

// serviceLink is what Kubernetes sets for each Service of the namespace: one
// that is called hogcast-nats must not cost ten warnings.
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// warnUnknownEnv names variables that look like ours and are not. They are no
// errors: the binaries may share one environment. Values are never printed.
func (ps *parser) warnUnknownEnv() {
	for _, name := range slices.Sorted(maps.Keys(ps.env)) {
		if !strings.HasPrefix(name, EnvPrefix+"_") || ps.schema.envs[name] || serviceLink.MatchString(name) {
			continue
		}
		fmt.Fprintf(ps.system.Stderr, "warning: environment: %s knows no %q%s\n",
			ps.program.Name, name, didYouMean(ps.schema.nearestEnv(name)))
	}
}

// nearestEnv compares without the prefix, which all share.
func (s *schema) nearestEnv(name string) string {
	full := make(map[string]string, len(s.envs))
	for env := range s.envs {
		full[strings.TrimPrefix(env, EnvPrefix+"_")] = env
	}
	return full[nearest(strings.TrimPrefix(name, EnvPrefix+"_"), full)]
}
