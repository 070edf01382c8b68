package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// pod is a pod's template and where it is from.
type pod struct {
	of   object
	meta metav1.ObjectMeta
	spec corev1.PodSpec
}

// podOf is the pod that an object makes, if it makes one.
func podOf(o object) (pod, bool, error) {
	path, ok := o.podPath()
	if !ok {
		return pod{}, false, nil
	}
	p := pod{of: o}
	if err := o.into(&p.spec, slices.Concat(path, []string{"spec"})...); err != nil {
		return p, true, err
	}
	return p, true, o.into(&p.meta, slices.Concat(path, []string{"metadata"})...)
}

// policies are what every object has to keep to, beyond its schema.
func policies(o object) []string {
	var out []string
	if o.kind() == "ServiceAccount" && o.at("automountServiceAccountToken") != false {
		out = append(out, "the token is mounted")
	}
	p, ok, err := podOf(o)
	if err != nil {
		return append(out, err.Error())
	}
	if !ok {
		return out
	}
	out = append(out, p.restricted()...)
	if p.spec.AutomountServiceAccountToken == nil || *p.spec.AutomountServiceAccountToken {
		out = append(out, "the service account's token is mounted")
	}
	if p.spec.EnableServiceLinks == nil || *p.spec.EnableServiceLinks {
		out = append(out, "service links are on: a Service called hogcast sets HOGCAST_… variables")
	}
	for _, c := range slices.Concat(p.spec.InitContainers, p.spec.Containers) {
		for _, problem := range containerPolicies(c) {
			out = append(out, "container "+c.Name+": "+problem)
		}
	}
	if o.kind() == "Deployment" {
		out = append(out, p.longRunning()...)
	}
	return out
}

// restricted asks Kubernetes' own checks of its restricted profile.
func (p pod) restricted() []string {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []string{err.Error()}
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	var out []string
	for _, result := range evaluator.EvaluatePod(level, &p.meta, &p.spec) {
		if !result.Allowed {
			out = append(out, "restricted profile: "+result.ForbiddenReason+": "+result.ForbiddenDetail)
		}
	}
	return out
}

func containerPolicies(c corev1.Container) []string {
	var out []string
	say := func(bad bool, what string) {
		if bad {
			out = append(out, what)
		}
	}
	sc := c.SecurityContext
	say(sc == nil || sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem, "its root can be written to")
	say(!pinned(c.Image), fmt.Sprintf("the image %q has no version", c.Image))
	request, limit := c.Resources.Requests, c.Resources.Limits
	say(request.Cpu().IsZero(), "no CPU is requested")
	say(request.Memory().IsZero(), "no memory is requested")
	say(limit.Memory().Cmp(*request.Memory()) != 0, "the memory limit is not the request")
	say(!limit.Cpu().IsZero(), "the CPU is limited")
	out = append(out, limitEnv(c, limit.Memory())...)
	return out
}

var goBytes = regexp.MustCompile(`^[0-9]+([KMGT]iB|B)?$`)

// limitEnv: what Go is told of its limits.
func limitEnv(c corev1.Container, memory *resource.Quantity) []string {
	var out []string
	seen := map[string]string{}
	for _, e := range c.Env {
		if _, twice := seen[e.Name]; twice {
			out = append(out, "the variable "+e.Name+" is set twice")
		}
		seen[e.Name] = e.Value
	}
	// Go's units are Kubernetes' with a B, and a program does not start with others.
	limit, err := resource.ParseQuantity(strings.TrimSuffix(seen["GOMEMLIMIT"], "B"))
	if err != nil || !goBytes.MatchString(seen["GOMEMLIMIT"]) || limit.Cmp(*memory) >= 0 || limit.Value() < memory.Value()/2 {
		out = append(out, fmt.Sprintf("GOMEMLIMIT is %q of %s", seen["GOMEMLIMIT"], memory))
	}
	if seen["GOMAXPROCS"] == "" {
		out = append(out, "GOMAXPROCS is not set")
	}
	return out
}

// pinned: a digest, or a tag that is not latest.
func pinned(image string) bool {
	if strings.Contains(image, "@sha256:") {
		return true
	}
	_, tag, ok := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	return ok && tag != "" && tag != "latest"
}

// longRunning: probes, and time enough to stop in.
func (p pod) longRunning() []string {
	var out []string
	for _, c := range p.spec.Containers {
		path := func(probe *corev1.Probe) string {
			if probe == nil || probe.HTTPGet == nil {
				return ""
			}
			return probe.HTTPGet.Path
		}
		if got := path(c.LivenessProbe); got != "/livez" {
			out = append(out, fmt.Sprintf("liveness asks %q", got))
		}
		if got := path(c.ReadinessProbe); got != "/readyz" {
			out = append(out, fmt.Sprintf("readiness asks %q", got))
		}
	}
	if p.spec.TerminationGracePeriodSeconds == nil {
		out = append(out, "no grace period")
	}
	return out
}
