package app

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/doctor"
	"github.com/hogcast/hogcast/pkg/registry"
)

// DefaultWorker are the settings of a worker that was not configured.
func DefaultWorker() doctor.WorkerFacts { return facts(WorkerConfig{}.withDefaults()) }

func facts(c WorkerConfig) doctor.WorkerFacts {
	return doctor.WorkerFacts{
		Window: c.Window, MainLaneMax: c.MainLaneMax, RequestTimeout: c.RequestTimeout, DrainTimeout: c.DrainTimeout,
	}
}

// ReadWorker reads a worker's configuration file, or what its --print-config
// has printed, as far as a doctor judges it.
func ReadWorker(in io.Reader) (doctor.WorkerFacts, error) {
	values, err := config.ReadValues(in)
	if err != nil {
		return doctor.WorkerFacts{}, fmt.Errorf("a worker's configuration: %w", err)
	}
	c, err := workerOf(values)
	if err != nil {
		return doctor.WorkerFacts{}, fmt.Errorf("a worker's configuration: %w", err)
	}
	w := facts(c)
	w.Given, w.PlainSecrets, w.DefaultsOn = true, values.Bool("secrets-allow-plain"), values.Bool("default-destination")
	if err := errors.Join(c.CheckGiven(), c.Validate()); err != nil {
		w.Err = err.Error()
	}
	w.KeyRing, w.KeysTold = keyRing(values), values.Told("secrets-key-file")
	if c.Destinations != "" {
		w.FromFile = true
		countDestinations(&w, c.Destinations)
	}
	return w, nil
}

func workerOf(v config.Values) (WorkerConfig, error) {
	c := WorkerConfig{
		Destinations: v.Text("destinations"), Listen: v.Text("listen"),
		AdminListen: v.Text("admin-listen"), AdminAllowRemote: v.Bool("admin-allow-remote"),
		Secrets: Secrets{AllowPlain: true}, // judged by the doctor: the file may be elsewhere
	}.withDefaults()
	var err error
	if c.Window, err = v.Size("window", c.Window); err != nil {
		return c, err
	}
	if c.MainLaneMax, err = v.Duration("main-lane-max", c.MainLaneMax); err != nil {
		return c, err
	}
	if c.RequestTimeout, err = v.Duration("request-timeout", c.RequestTimeout); err != nil {
		return c, err
	}
	if c.HoldMax, err = v.Duration("hold-max", 72*time.Hour); err != nil {
		return c, err
	}
	c.DrainTimeout, err = v.Duration("drain-timeout", c.DrainTimeout)
	return c, err
}

func countDestinations(w *doctor.WorkerFacts, path string) {
	loaded, err := registry.Load(path)
	if err != nil {
		w.DestinationsErr = err.Error()
		return
	}
	w.Destinations, w.BadDestinations = len(loaded.Destinations), loaded.LeftOut
	for _, d := range loaded.Destinations {
		if d.Tenant == destination.AnyTenant {
			w.Defaults++
		}
	}
}

// keyRing names the setting that the worker's master keys come from.
func keyRing(v config.Values) string {
	for _, name := range []string{"secrets-key-file", "secrets-keys"} {
		if v.Given(name) {
			return name
		}
	}
	return ""
}
