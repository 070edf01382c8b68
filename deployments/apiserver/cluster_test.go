package apiserver

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	kubeVersion = "v1.37.2"
	adminToken  = "admin-of-a-test"
)

// cluster is an API server and its etcd; nothing runs what it is told.
type cluster struct {
	address    string // host:port
	kubeconfig string
}

// tool builds a program, or takes it from the cache, and returns its path.
func tool(t *testing.T, name, pkg string, flags ...string) string {
	t.Helper()
	dir := os.Getenv("HOGCAST_TOOLS")
	if dir == "" {
		dir = t.TempDir()
	}
	bin := filepath.Join(dir, name)
	if _, err := os.Stat(bin); err == nil {
		return bin
	}
	began := time.Now()
	args := append([]string{"build", "-trimpath", "-o", bin}, append(flags, pkg)...)
	if strings.Contains(pkg, "@") { // of no module here
		args = []string{"install", pkg}
	}
	cmd := exec.Command("go", args...)
	if strings.Contains(pkg, "@") {
		cmd.Env = append(os.Environ(), "GOBIN="+filepath.Join(dir, name+".d"))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	if strings.Contains(pkg, "@") {
		base, _, _ := strings.Cut(filepath.Base(pkg), "@")
		if err := os.Rename(filepath.Join(dir, name+".d", base), bin); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("built %s in %s", name, time.Since(began).Round(time.Second))
	return bin
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// start runs a program until the test ends.
func start(t *testing.T, bin string, args ...string) {
	t.Helper()
	logs, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(bin)+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, args...)
	cmd.Stdout, cmd.Stderr = logs, logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it holds nothing of worth
		_ = cmd.Wait()
		if t.Failed() {
			if text, err := os.ReadFile(logs.Name()); err == nil {
				t.Logf("the end of %s's log:\n%s", filepath.Base(bin), text[max(0, len(text)-4000):])
			}
		}
	})
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	version := strings.TrimPrefix(kubeVersion, "v")
	major, minor, _ := strings.Cut(version[:strings.LastIndexByte(version, '.')], ".")
	const v = "-X k8s.io/component-base/version.git"
	etcd := tool(t, "etcd", "go.etcd.io/etcd/server/v3")
	apiserver := tool(t, "kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver",
		"-ldflags", fmt.Sprintf("-s -w %sVersion=%s %sMajor=%s %sMinor=%s", v, kubeVersion, v, major, v, minor))
	dir := t.TempDir()
	client, peer, port := "http://127.0.0.1:"+freePort(t), "http://127.0.0.1:"+freePort(t), freePort(t)
	start(t, etcd, "--data-dir="+filepath.Join(dir, "etcd"), "--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer, "--unsafe-no-fsync")
	key := filepath.Join(dir, "sa.key")
	writeKey(t, key)
	tokens := filepath.Join(dir, "tokens.csv")
	write(t, tokens, adminToken+`,admin,admin,"system:masters"`+"\n")
	start(t, apiserver, "--etcd-servers="+client, "--bind-address=127.0.0.1", "--secure-port="+port, "--cert-dir="+dir,
		"--service-cluster-ip-range=10.0.0.0/16", "--authorization-mode=RBAC", "--token-auth-file="+tokens,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+key, "--service-account-signing-key-file="+key)
	c := &cluster{address: "127.0.0.1:" + port, kubeconfig: filepath.Join(dir, "kubeconfig")}
	write(t, c.kubeconfig, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://%s", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: %s}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
`, c.address, adminToken))
	began := time.Now()
	eventually(t, "the API server is ready", func() bool {
		status, _, err := c.try(t.Context(), http.MethodGet, "/readyz", "", "")
		return err == nil && status == http.StatusOK
	})
	t.Logf("the API server was ready in %s", time.Since(began).Round(100*time.Millisecond))
	return c
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeKey(t *testing.T, file string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
}

// eventually polls until a condition holds, for a minute.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not after a minute: %s", what)
		case <-tick.C:
		}
	}
}
