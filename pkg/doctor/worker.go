package doctor

import "fmt"

var workerChecks = []check{
	whole("worker_settings", workerSettings),
	whole("worker_window", workerWindow),
	whole("worker_drain", workerDrain),
	whole("worker_destinations", workerDestinations),
	whole("worker_keys", workerKeys),
}

func workerSettings(s Snapshot) verdict {
	w := s.Worker
	if w.Err != "" {
		return problem(trouble{w.Err, "a worker with this configuration does not start", "mend it; worker --print-config shows what is in force"})
	}
	if w.RequestTimeout*2 > w.MainLaneMax+w.RequestTimeout/2 {
		return warning(trouble{
			fmt.Sprintf("request-timeout is %s, main-lane-max %s", span(w.RequestTimeout), span(w.MainLaneMax)),
			"a request that times out leaves no time for another: each blip of a destination writes its records to the held stream", "raise main-lane-max, or lower request-timeout",
		})
	}
	return noted(fmt.Sprintf("requests %s within %s", span(w.RequestTimeout), span(w.MainLaneMax)))
}

func workerWindow(s Snapshot) verdict {
	w := s.Worker
	return orNot(w.Window < w.LeastWindow, trouble{
		fmt.Sprintf("window is %s; this server's max_payload asks for %s", size(w.Window), size(w.LeastWindow)), "a worker with this configuration does not start", "worker --window " + sizeFlag(w.LeastWindow),
	}, "window "+size(w.Window))
}

// sizeFlag is a size that the flags take, rounded up.
func sizeFlag(n int64) string { return fmt.Sprintf("%dMiB", (n+1<<20-1)>>20) }

func workerDrain(s Snapshot) verdict {
	w := s.Worker
	return inDoubt(w.DrainTimeout < w.RequestTimeout, trouble{
		fmt.Sprintf("drain-timeout is %s, less than a request's %s", span(w.DrainTimeout), span(w.RequestTimeout)), "every deploy interrupts requests that were about to succeed, and sends their events twice", "raise drain-timeout",
	}, "drains within "+span(w.DrainTimeout))
}

func workerDestinations(s Snapshot) verdict {
	w := s.Worker
	switch {
	case !w.FromFile:
		return verdict{}
	case w.DestinationsErr != "":
		return unknown(trouble{"its destinations can't be read here: " + w.DestinationsErr, "records of tenants without a destination become dead letters", "run the doctor where the file is"})
	case w.BadDestinations > 0:
		return problem(trouble{
			fmt.Sprintf("%s of %d can't be used", plural(w.BadDestinations, "destination"), w.Destinations+w.BadDestinations), "their records become dead letters, no_destination", "see the worker's log for their lines",
		})
	case w.Destinations == 0:
		return warning(trouble{"there are no destinations", "every record becomes a dead letter, no_destination", "write some: configs/destinations.example.yaml"})
	}
	if unused, empty := w.Defaults > 0 && !w.DefaultsOn, w.Defaults == 0 && w.DefaultsOn; unused || empty {
		what := "there are destinations of the tenant _, but default-destination is off"
		if empty {
			what = "default-destination is on, but no destination is of the tenant _"
		}
		return warning(trouble{what, "records of tenants without a destination become dead letters, no_destination", "turn default-destination on or off, as it is meant"})
	}
	text := plural(w.Destinations, "destination")
	if w.Defaults > 0 {
		text += fmt.Sprintf(", %d of them for tenants that have none", w.Defaults)
	}
	return noted(text)
}

func workerKeys(s Snapshot) verdict {
	w := s.Worker
	switch {
	case w.KeyRing != "":
		return noted("master keys from " + w.KeyRing)
	case w.FromFile:
		return well("no master keys, which destinations from a file don't need")
	case w.PlainSecrets:
		return warning(trouble{
			"secrets may be stored in plain", "who can read the bucket hogcast_destinations has every tenant's API key", "give the master keys with secrets-key-file, and take secrets-allow-plain away",
		})
	}
	if !w.KeysTold {
		return unknown(trouble{
			"this file tells of no master keys; the environment may", "a worker without them does not start", "worker --config FILE --print-config | hogcast doctor --worker-config -",
		})
	}
	return problem(trouble{
		"no master keys are configured", "a worker with this configuration does not start: the bucket of destinations holds encrypted secrets", "give the master keys with secrets-key-file, or destinations in files",
	})
}
