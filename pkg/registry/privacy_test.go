package registry_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
)

func TestPrivacyRegionAndCertificatesAreRead(t *testing.T) {
	ca := write(t, filepath.Join(t.TempDir(), "ca.pem"), certificate)
	hash := write(t, filepath.Join(t.TempDir(), "hash"), "0123456789abcdef\n")
	t.Setenv("HOGCAST_TEST_HASH", "fedcba9876543210")
	got, err := load(t, `destinations:
- tenant: a
  api_key: phc_a
  endpoint: eu
  region: eu
  privacy:
    metadata: {allow: [feature, plan], deny: [email]}
    user_hash_key_file: `+hash+`
    redact: [email, {name: ticket, pattern: 'T-\d+'}, card]
- {tenant: b, api_key: phc_b, ca_file: `+ca+`, privacy: {user_hash_key_env: HOGCAST_TEST_HASH}}
- {tenant: c, api_key: phc_c, privacy: , api_keys: }
`)
	if err != nil || len(got.Problems) > 0 || len(got.Destinations) != 3 {
		t.Fatalf("%v %+v", err, got)
	}
	a, b := got.Destinations[0], got.Destinations[1]
	want := []destination.Pattern{{Name: "email"}, {Name: "ticket", Expr: `T-\d+`}, {Name: "card"}}
	if a.Region != destination.RegionEU || !slices.Equal(a.Privacy.Redact, want) || a.Privacy.UserHashKey.Reveal() != "0123456789abcdef" ||
		!slices.Equal(a.Privacy.Metadata.Allow, []string{"feature", "plan"}) || !slices.Equal(a.Privacy.Metadata.Deny, []string{"email"}) {
		t.Errorf("got %+v", a)
	}
	if b.CA != strings.TrimSpace(certificate) || b.Privacy.UserHashKey.Reveal() != "fedcba9876543210" {
		t.Errorf("got %+v", b)
	}
}

func TestProblemsOfPrivacyAreLocatedAndRepeatNothing(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"privacy: {colour: red}":                                           ":2: privacy.colour: unknown key",
		"privacy: [email]":                                                 ":2: privacy: not a mapping",
		"privacy: {metadata: {alow: [a]}}":                                 ":2: privacy.metadata.alow: unknown key",
		"privacy: {metadata: {allow: a}}":                                  ":2: privacy.metadata.allow: not a list",
		"privacy: {metadata: {deny: ['']}}":                                ":2: privacy.metadata.deny: not a list",
		"privacy: {user_hash_key: SECRET}":                                 ":2: privacy.user_hash_key: fewer than 16",
		"privacy: {user_hash_key: 0123456789abcdef, user_hash_key_env: X}": ":2: privacy.user_hash_key: given in more than one way",
		"privacy: {user_hash_key_env: HOGCAST_NOT_THERE}":                  ":2: privacy.user_hash_key_env: the environment has no",
		"privacy: {redact: email}":                                         ":2: privacy.redact: not a list of patterns",
		"privacy: {redact: [iban]}":                                        ":2: privacy.redact: \"iban\" is none of the built-in",
		"privacy: {redact: [{name: t}]}":                                   ":2: privacy.redact: \"t\" is none of",
		"privacy: {redact: [{name: t, pattern: ''}]}":                      ":2: privacy.redact.pattern: empty",
		"privacy: {redact: [{name: t, pattern: 'SECRET('}]}":               ":2: privacy.redact: \"t\": not a regular expression",
		"privacy: {redact: [{name: t, pattern: x, flags: i}]}":             ":2: privacy.redact.flags: unknown key",
		"privacy: {redact: [[email]]}":                                     ":2: privacy.redact: not a mapping",
		"privacy: {redact: [~]}":                                           ":2: privacy.redact: not a string",
		"region: mars":                                                     ":2: region: \"mars\" is not us or eu",
		"region: eu":                                                       ":2: region: pinned to eu",
		"ca: SECRET":                                                       ":2: ca: no PEM",
		"ca_file: /not/there":                                              ":2: ca_file:",
		"ca: x, ca_file: /not/there":                                       ":2: ca: given in more than one way",
		"user_hash_key: 0123456789abcdef":                                  ":2: user_hash_key: unknown key",
		"api_key: phc_b":                                                   ":2: api_key: given twice",
		"privacy: {user_hash_key: sealed:v1:k1:AAAA, redact: [email]}, api_keys: {}": ":2: privacy.user_hash_key: sealed",
		"meta: {by: ann}": ":2: meta: unknown key",
	} {
		got, err := load(t, "destinations:\n- {tenant: a, api_key: phc_a, "+entry+"}\n- {tenant: good, api_key: phc_a}\n")
		if err != nil || len(got.Destinations) != 1 || len(got.Problems) == 0 {
			t.Errorf("%s: %v %+v", entry, err, got)
			continue
		}
		if p := got.Problems[0].Error(); !strings.Contains(p, want) || strings.Contains(p, "SECRET") {
			t.Errorf("%s: got %q, want %q", entry, p, want)
		}
		if got.Condemned[0] != (destination.ID{Tenant: "a", Name: "default"}) {
			t.Errorf("%s: condemned %v", entry, got.Condemned)
		}
	}
}

// certificate is a self-signed one, of nobody.
const certificate = `-----BEGIN CERTIFICATE-----
MIIBhTCCASugAwIBAgIUTMv98bh/pjcpXlh29Db79u5ukpswCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMaG9nY2FzdC10ZXN0MCAXDTI2MTEyOTE3Mjc0NFoYDzIxMjYx
MTA1MTcyNzQ0WjAXMRUwEwYDVQQDDAxob2djYXN0LXRlc3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAATiU/zdPAhI712pk1HbmgE8Vpe9PPSwgSvSLjgP8tBj7NPx
er7TBULLLta9+oz9mHkmypx+rHz4W/Q8zqmiYObyo1MwUTAdBgNVHQ4EFgQUD1EE
2NGbanJShY8YQ3WnUquEM94wHwYDVR0jBBgwFoAUD1EE2NGbanJShY8YQ3WnUquE
M94wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA68BtEvGUnvka
ALg46mQvpXBjg2t61I0J/EDUeYa3JxECIA3oQico2TfGSR86MG+vYd/DzZrgskUL
2Asud43sMuuK
-----END CERTIFICATE-----
`
