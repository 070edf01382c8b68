package fleet_test

import (
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/fleet"
)

func TestAnUnknownDestinationPasses(t *testing.T) {
	t.Parallel()
	b := fleet.New(fleet.Params{Worker: "w1"})
	to := &destination.Destination{ID: destination.ID{Tenant: "acme", Name: "main"}, Enabled: true, Endpoint: "https://a.example"}
	if got := b.Admit(to); got.Gate != fleet.Pass {
		t.Errorf("admission = %+v, want pass", got)
	}
	if got := b.Workers(); got != 1 {
		t.Errorf("workers = %d, want 1: this one", got)
	}
}
