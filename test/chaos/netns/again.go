package netns

import "io"

// Again says how this program is run again.
type Again struct {
	Args           []string
	Env            []string // beside its own
	Stdout, Stderr io.Writer
}
