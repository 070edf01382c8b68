package config_test

import (
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/config"
)

func TestNetworksAreReadAndAnAddressStandsForItself(t *testing.T) {
	t.Parallel()
	got, err := config.Egress{Allow: []string{"10.20.3.4/16", "127.0.0.1", "::1", "fd00::/8"}}.Networks()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	if all := strings.Join(texts, " "); all != "10.20.0.0/16 127.0.0.1/32 ::1/128 fd00::/8" {
		t.Errorf("got %s", all)
	}
	for _, bad := range []string{"ten", "10.20.0.0/33", "10.20/16", "localhost", "", "fe80::1%eth0"} {
		if _, err := (config.Egress{Allow: []string{bad}}).Networks(); err == nil || !strings.Contains(err.Error(), "--egress-allow") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestAProxyIsReadWithoutRepeatingItsPassword(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"http://user:SECRET@proxy:3128": true, "https://proxy": true, "": true,
		"socks5://user:SECRET@proxy": false, "user:SECRET@proxy": false, "http://user:SECRET@": false, "http://user:SECRET@proxy:x": false,
	} {
		got, err := config.Egress{Proxy: config.NewSecret(text)}.ProxyURL()
		if (err == nil) != good || (got == nil) != (text == "" || !good) || err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	if _, err := (config.Egress{ProxyResolves: true}).ProxyURL(); err == nil {
		t.Error("names may be left to a proxy that there is not")
	}
}
