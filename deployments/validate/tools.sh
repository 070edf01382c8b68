#!/usr/bin/env bash
# The chart's sets of values and the plain manifests through the field's own
# commands: helm 3 and 4 (lint, template, package), kustomize, kubectl-validate, kube-score.
# `go test` here checks the same with less to build; this is its second opinion.
set -euo pipefail
cd "$(dirname "$0")/../.."
chart=deployments/helm/hogcast tools=$PWD/dist/tools kube=1.30
mkdir -p "$tools" && out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT

# install NAME PACKAGE VERSION: builds once.
install() {
  local bin=$tools/$1-$3
  if [ ! -x "$bin" ]; then
    echo "building $1 $3" >&2
    GOBIN=$out/bin GOFLAGS= go install "$2@$3"
    mv "$out"/bin/* "$bin"
  fi
  ln -sf "$bin" "$tools/$1"
}
install helm3 helm.sh/helm/v3/cmd/helm v3.22.0
install helm4 helm.sh/helm/v4/cmd/helm v4.3.2
install kustomize sigs.k8s.io/kustomize/kustomize/v5 v5.8.1
install kubectl-validate sigs.k8s.io/kubectl-validate v0.0.4
install kube-score github.com/zegl/kube-score/cmd/kube-score v1.20.0
PATH=$tools:$PATH

go -C deployments/validate run . crds "$out/crds"
for helm in helm3 helm4; do
  mkdir -p "$out/$helm"
  for values in "$chart"/ci/*-values.yaml; do
    name=$(basename "$values" -values.yaml)
    $helm lint --quiet --strict --kube-version $kube.0 "$chart" -f "$values"
    $helm template hogcast "$chart" -n hogcast --kube-version $kube.0 -f "$values" >"$out/$helm/$name.yaml"
  done
  $helm package "$chart" -d "$out" >/dev/null
done
for overlay in base overlays/keda overlays/monitoring overlays/production; do
  kustomize build "deployments/kustomize/$overlay" >"$out/helm3/kustomize-${overlay##*/}.yaml"
done
kubectl-validate --version $kube --local-crds "$out/crds" "$out"/helm3/*.yaml "$out"/helm4/*.yaml

# What kube-score asks for and we don't do, with the reason:
#   cpu limit                      throttling costs latency and saves nothing
#   ephemeral-storage              the root can't be written to
#   pull policy Always             versions don't change
#   anti-affinity                  topology spread does it
kube-score score --output-format ci --kubernetes-version v$kube \
  --ignore-test container-image-pull-policy,container-ephemeral-storage-request-and-limit,deployment-has-host-podantiaffinity \
  --ignore-container-cpu-limit "$out/helm3/production.yaml" "$out/helm3/defaults.yaml" >"$out/score" || { grep -v '\[OK\]\|\[SKIPPED\]' "$out/score"; exit 1; }
echo "all well"
