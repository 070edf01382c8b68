package oracle_test

import (
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/test/chaos/oracle"
)

// withhold drops a letter's bytes as hogcast does.
func withhold(l *oracle.Letter) {
	e := envelope.Envelope{Body: l.Body}
	e.Withhold()
	l.Body, l.SHA256 = nil, e.SHA256
}
