package main

import (
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
)

// tenantFlag refuses what is no tenant's name before it becomes part of a
// filter, where it would mean others' too. None, and the tenant of the
// defaults, are well.
func tenantFlag(tenant string) error {
	if tenant == "" || tenant == destination.AnyTenant || destination.ValidName(tenant) {
		return nil
	}
	return config.Usagef("--tenant: %q is no name of a tenant: 1–64 letters, digits, _ or -, beginning with a letter or digit", tenant)
}
