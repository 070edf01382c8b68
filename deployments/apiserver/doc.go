// Package apiserver installs the Helm chart in a real API server: kube-apiserver
// and etcd, built here, without nodes. `make test-apiserver` runs it; building
// takes many minutes the first time, so nothing else does. The test owns the
// processes and ends them.
package apiserver
