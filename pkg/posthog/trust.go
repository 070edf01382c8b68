package posthog

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// maxAuthorities bounds the transports of private CAs: 256 × about 40 KB of
	// certificates.
	maxAuthorities = 256
	// sessionsPerAuthority bounds the TLS sessions that each remembers.
	sessionsPerAuthority = 16
)

var errNoCA = errors.New("ca: no PEM certificate in it")

// authorities holds a transport for each private CA that is in use, so that
// what one destination trusts, and the connections it made, serve no other.
// Destinations of one CA share its transport.
type authorities struct {
	base      *x509.CertPool // nil: the system's
	transport func(*x509.CertPool, int) *http.Transport
	idleAfter time.Duration
	now       func() time.Time

	mu      sync.Mutex
	inUse   map[[sha256.Size]byte]*authority
	retired []*authority // their last connections may still end
}

type authority struct {
	transport *http.Transport
	used      time.Time
}

// of returns the transport that trusts ca beside the base.
func (a *authorities) of(ca string) (*http.Transport, error) {
	key := key256(ca)
	a.mu.Lock()
	defer a.mu.Unlock()
	if found, ok := a.inUse[key]; ok {
		found.used = a.now()
		return found.transport, nil
	}
	pool, err := a.pool(ca)
	if err != nil {
		return nil, err
	}
	if len(a.inUse) >= maxAuthorities {
		a.retireOldest()
	}
	made := &authority{transport: a.transport(pool, sessionsPerAuthority), used: a.now()}
	a.inUse[key] = made
	return made.transport, nil
}

func key256(ca string) [sha256.Size]byte { return sha256.Sum256([]byte(ca)) }

func (a *authorities) pool(ca string) (*x509.CertPool, error) {
	var pool *x509.CertPool
	if a.base != nil {
		pool = a.base.Clone()
	} else if system, err := x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("reading the system's certificates: %w", err)
	} else {
		pool = system
	}
	if !pool.AppendCertsFromPEM([]byte(ca)) {
		return nil, errNoCA
	}
	return pool, nil
}

func (a *authorities) retireOldest() {
	var oldest [sha256.Size]byte
	for key, one := range a.inUse {
		if first := a.inUse[oldest]; first == nil || one.used.Before(first.used) {
			oldest = key
		}
	}
	a.retire(oldest)
}

// retire takes a transport out of use. A connection of it that a request still
// has ends by a later sweep, or of itself after idleConnTimeout.
func (a *authorities) retire(key [sha256.Size]byte) {
	gone := a.inUse[key]
	delete(a.inUse, key)
	gone.transport.CloseIdleConnections()
	gone.used = a.now()
	a.retired = append(a.retired, gone)
	if len(a.retired) > maxAuthorities {
		a.retired = a.retired[1:]
	}
}

// sweep retires what was idle for long.
func (a *authorities) sweep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for key, one := range a.inUse {
		if now.Sub(one.used) >= a.idleAfter {
			a.retire(key)
		}
	}
	var left []*authority
	for _, one := range a.retired {
		one.transport.CloseIdleConnections()
		if now.Sub(one.used) < idleConnTimeout {
			left = append(left, one)
		}
	}
	a.retired = left
}

func (a *authorities) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.inUse {
		a.retire(key)
	}
	for _, one := range a.retired {
		one.transport.CloseIdleConnections()
	}
}
