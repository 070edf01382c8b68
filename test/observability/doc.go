// Package observability holds rules, dashboards and runbooks to the metrics
// that workers really have: by their golden list, and, where
// HOGCAST_OBSERVABILITY is set, by a real Prometheus that scrapes real workers
// (`make observability-check`).
package observability
