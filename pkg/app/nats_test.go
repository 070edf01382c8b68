package app_test

import (
	"slices"
	"testing"

	"github.com/hogcast/hogcast/pkg/app"
)

func TestServersWithoutTheirUsersAreTheSameServers(t *testing.T) {
	t.Parallel()
	got := app.WithoutUsers([]string{"nats://u:p@a:4222, tls://token@b", "u:p@ss@c:4222", "d", "wss://u:p@e:443/path", "nats://[::1]:4222"})
	want := []string{"nats://a:4222", "tls://b", "c:4222", "d", "wss://e:443/path", "nats://[::1]:4222"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
