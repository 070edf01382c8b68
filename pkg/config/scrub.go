package config

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minScrubbed is the shortest secret, in bytes, that is looked for in texts:
// a shorter one would be found in every second word.
const minScrubbed = 3

// userInfo is a user, password or token inside a URL.
var userInfo = regexp.MustCompile(`://[^\s"'<>,]*@`)

// scrubber removes secrets from what is printed.
type scrubber []string

// secrets gathers the values of all secret settings, from wherever they are,
// used or not.
func (ps *parser) secrets() scrubber {
	var s scrubber
	for name, st := range ps.schema.named {
		if !st.secret() {
			continue
		}
		s = append(s, ps.env[st.env])
		s = append(s, argumentsOf(ps.system.Args, "--"+name)...)
		if e, ok := ps.file.lookup(st); ok {
			s = append(s, e.texts...)
		}
	}
	return s
}

// argumentsOf finds the flag's values without a parse, which may have failed.
func argumentsOf(args []string, flag string) []string {
	var values []string
	for i, arg := range args {
		if v, ok := strings.CutPrefix(arg, flag+"="); ok {
			values = append(values, v)
		} else if arg == flag && i+1 < len(args) {
			values = append(values, args[i+1])
		}
	}
	return values
}

func (s scrubber) scrub(text string) string {
	// The longest first: one secret may begin with another.
	slices.SortFunc(s, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, secret := range s {
		if len(secret) < minScrubbed {
			continue
		}
		text = strings.ReplaceAll(text, secret, redacted)
		quoted := strconv.Quote(secret)
		text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], redacted)
	}
	return userInfo.ReplaceAllString(text, "://redacted@")
}

// maskURL hides the user info of a URL, whatever its form: with a scheme or
// without.
func maskURL(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return s
	}
	scheme, _, ok := strings.Cut(s[:at], "://")
	if !ok {
		return "redacted" + s[at:]
	}
	return scheme + "://redacted" + s[at:]
}
