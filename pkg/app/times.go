package app

import (
	"errors"
	"fmt"
	"time"
)

// CheckGiven refuses settings that are no time or no size at all. It is for
// settings as they were given: in a WorkerConfig a zero means the default, so
// that a 0 of the user's would quietly be something else.
func (c WorkerConfig) CheckGiven() error {
	var errs []error
	for _, of := range []struct {
		name  string
		value time.Duration
	}{
		{"main-lane-max", c.MainLaneMax},
		{"hold-max", c.HoldMax},
		{"request-timeout", c.RequestTimeout},
		{"drain-timeout", c.DrainTimeout},
	} {
		if of.value <= 0 {
			errs = append(errs, fmt.Errorf("%s: %s is no time; give one, such as 20s, or leave it out for the default", of.name, of.value))
		}
	}
	if c.Window <= 0 {
		errs = append(errs, fmt.Errorf("window: %d bytes hold nothing; give a size, such as 64MiB, or leave it out for the default", c.Window))
	}
	return errors.Join(errs...)
}
