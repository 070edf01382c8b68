package health

import "time"

// HostDestinations is how many destinations of one endpoint host have to fail
// alike for the host to count as down.
const HostDestinations = 20

// hostQuiet is how long nothing may have been accepted by a host that counts
// as down.
const hostQuiet = 3 * time.Second

// HostDown decides whether a host is down as a whole, from how many of its
// destinations are open and when it has last accepted anything.
func HostDown(open int, lastAccepted, now time.Time) bool {
	return open >= HostDestinations && now.Sub(lastAccepted) > hostQuiet
}
