package apiserver

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

var client = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // a certificate of a minute ago, on loopback
}

// try asks the API server; warnings come with the answer.
func (c *cluster) try(ctx context.Context, method, path, contentType, body string) (status int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "https://"+c.address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	for _, warning := range resp.Header.Values("Warning") {
		text = append(text, "\nWarning: "+warning...)
	}
	return resp.StatusCode, string(text), err
}

// get is an object, or false.
func (c *cluster) get(t *testing.T, path string) (map[string]any, bool) {
	t.Helper()
	status, text, err := c.try(t.Context(), http.MethodGet, path, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if status == http.StatusNotFound {
		return nil, false
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil || status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, status, text)
	}
	return out, true
}

// post creates an object.
func (c *cluster) post(t *testing.T, path, body string) {
	t.Helper()
	status, text, err := c.try(t.Context(), http.MethodPost, path+"?fieldValidation=Strict", "application/yaml", body)
	if err != nil || status != http.StatusCreated {
		t.Fatalf("POST %s: %d %v %s", path, status, err, text)
	}
}

// namespace makes one that takes restricted pods alone, with the account that a
// controller would make.
func (c *cluster) namespace(t *testing.T, name string) {
	t.Helper()
	c.post(t, "/api/v1/namespaces", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: "+name+"\n  labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}\n")
	c.post(t, "/api/v1/namespaces/"+name+"/serviceaccounts", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default}\n")
}

// play ends Jobs and Pods of a namespace well, in the place of nodes, until ctx
// ends.
func (c *cluster) play(ctx context.Context, namespace string) {
	now := time.Now().UTC().Format(time.RFC3339)
	condition := func(kind string) string {
		return fmt.Sprintf(`{"type":%q,"status":"True","lastTransitionTime":%q,"reason":"Test","message":"played"}`, kind, now)
	}
	job := fmt.Sprintf(`{"status":{"startTime":%q,"completionTime":%q,"succeeded":1,"conditions":[%s,%s]}}`, now, now, condition("SuccessCriteriaMet"), condition("Complete"))
	const pod = `{"status":{"phase":"Succeeded"}}`
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		c.end(ctx, "/apis/batch/v1/namespaces/"+namespace+"/jobs", job)
		c.end(ctx, "/api/v1/namespaces/"+namespace+"/pods", pod)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *cluster) end(ctx context.Context, path, status string) {
	_, text, err := c.try(ctx, http.MethodGet, path, "", "")
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Succeeded int
				Phase     string
			}
		}
	}
	if err != nil || json.Unmarshal([]byte(text), &list) != nil {
		return
	}
	for _, item := range list.Items {
		if item.Status.Succeeded == 0 && item.Status.Phase != "Succeeded" {
			_, _, _ = c.try(ctx, http.MethodPatch, path+"/"+item.Metadata.Name+"/status", "application/merge-patch+json", status) // it is tried again
		}
	}
}
