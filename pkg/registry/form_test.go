package registry_test

import (
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

// full is a destination with everything that can be said.
func full() *destination.Destination {
	d := destinationOf("acme", "main")
	d.Paused, d.Endpoint, d.Region, d.Protocol = true, destination.EndpointEU, destination.RegionEU, destination.V1
	d.PrivacyMode, d.SamplingRate, d.SampleErrors = true, 0.25, true
	d.Privacy = destination.Rules{
		Metadata:    destination.MetadataFilter{Allow: []string{"feature"}, Deny: []string{"email"}},
		UserHashKey: destination.NewSecret("a key of thirty-two characters.."),
		Redact:      []destination.Pattern{{Name: "email"}, {Name: "ticket", Expr: `T-\d+`}},
	}
	d.APIKeys = destination.KeyFilter{Include: []string{"a", "b"}, Exclude: []string{"c"}}
	d.MaxRate, d.MaxConcurrency, d.HoldMax = 0.5, 4, 90*time.Minute
	return d
}
