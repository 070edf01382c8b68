# hogcast. `make` alone prints the targets.
GO       ?= go
BIN      ?= bin
FUZZTIME ?= 30000x
FUZZLONG ?= 500000x
# promtool as of PATH with PROMTOOL=promtool; else built once, through the Go proxy.
PROMTOOL ?= $(GO) run -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@v0.316.0
LINT     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# The race detector needs a C compiler; where there is none the tests run
# without it, and say so. CI installs one.
RACE := $(if $(shell command -v $${CC:-gcc} 2>/dev/null),-race)

.DEFAULT_GOAL := help
.PHONY: help demo test lint fuzz bench bars build golden clean chaos chaos-short chaos-seeds chaos-cluster chaos-cluster-short \
  rules observability-check image image-oci manifests deploy-check chart-check deploy-tools test-apiserver

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use

demo: ## Deliver a few records and show them as PostHog gets them
	@$(GO) run ./cmd/hogcast demo

build: ## Build the three binaries into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X github.com/hogcast/hogcast/pkg/app.Version=$(VERSION)" -o $(BIN)/ ./cmd/...

##@ Check

test: ## All tests, race detector on
	@$(if $(RACE),,echo "no C compiler: the race detector stays off" >&2)
	$(GO) test $(RACE) -timeout 10m ./...

lint: ## golangci-lint, pinned, run through the Go toolchain
	$(GO) run $(LINT) run ./...
	$(GO) vet ./...

# The decoder and the mapper face whatever anybody publishes: they get longer.
# Counted, not timed: with a time, go test itself can fail with "context
# deadline exceeded" when the time is up (golang/go#75804).
fuzz: ## Each fuzz target FUZZTIME (30000x), decoder and mapper FUZZLONG (500000x)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$(grep -hos '^func Fuzz[A-Za-z]*' $${pkg#*/*/*/}/*_test.go | sed 's/^func //'); do \
	    case $$target in FuzzDecode|FuzzMap) time=$(FUZZLONG);; *) time=$(FUZZTIME);; esac; \
	    echo "$$pkg $$target $$time"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $$time -fuzzminimizetime 10x $$pkg; \
	  done; \
	done

# A run publishes at 400 records a second, breaks whatever can break around
# the workers, and asks of every acknowledged record where it is: docs/chaos.md.
chaos: ## Break everything, account for every record: SEED=, RUNS=, DURATION=
	$(GO) run ./test/chaos -append docs/chaos.md -seed $(or $(SEED),0) -runs $(or $(RUNS),1) -duration $(or $(DURATION),60s) $(CHAOS)

chaos-short: ## The same with regression seeds, within two minutes
	$(GO) run ./test/chaos -seeds test/chaos/seeds.txt -duration 15s -drain 90s -budget 110s

# Takes Linux, root, ip (iproute2) and nft (nftables), and says so: docs/chaos.md.
chaos-cluster: ## The same with each NATS node on a host of its own, cut off, lost, full: SEED=, RUNS=, DURATION=
	$(GO) run ./test/chaos -net -rate 200 -append docs/chaos.md -seed $(or $(SEED),0) -runs $(or $(RUNS),1) -duration $(or $(DURATION),30s) $(CHAOS)

chaos-cluster-short: ## A run of it in about a minute
	$(GO) run ./test/chaos -net -rate 150 -seed 5435 -duration 13s -drain 90s

chaos-seeds: ## The same with every regression seed, a minute of faults each
	$(GO) run ./test/chaos -seeds test/chaos/seeds.txt -duration 60s

rules: ## Check the Prometheus rules, and run their unit tests
	$(PROMTOOL) check rules deployments/prometheus/rules.yaml
	$(PROMTOOL) test rules deployments/prometheus/rules_test.yaml

# Needs a prometheus on PATH (Debian has one), or HOGCAST_PROMETHEUS. With
# PICTURES=1 docs/images is painted anew.
observability-check: ## Have a real Prometheus ask every query of rules and dashboards
	HOGCAST_OBSERVABILITY=1 $(if $(PICTURES),HOGCAST_PICTURES=$(CURDIR)/docs/images) $(GO) test -count=1 -timeout 5m -run RealPrometheus ./test/observability

bench: ## Benchmarks, each beside its floor
	$(GO) test -run '^$$' -bench . -benchmem ./...

BAR ?= all
bars: ## Measure the bars: BAR=tenant-hang for one, ARGS=--quick to try out (docs/bars.md)
	$(GO) run ./test/bars $(BAR) $(ARGS)

golden: ## Write the golden files anew
	$(GO) test ./pkg/telemetry ./pkg/app -run Golden -update
	$(GO) test ./pkg/mapping ./pkg/queue ./pkg/posthog ./pkg/admin ./cmd/... -update

##@ Ship

VERSION  ?= $(shell deployments/version)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
# The commit's time, so that the same commit is the same image.
EPOCH    ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
IMAGE    ?= ghcr.io/hogcast/hogcast
ENGINE   ?= $(firstword $(foreach e,docker podman buildah,$(if $(shell command -v $(e) 2>/dev/null),$(e))))

image: ## The image with docker, podman or buildah: ENGINE=, IMAGE=, VERSION=
	@$(if $(ENGINE),,echo "no docker, podman or buildah here; make image-oci needs none" >&2; exit 1)
	$(ENGINE) build -f deployments/Dockerfile -t $(IMAGE):$(VERSION) \
	  --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg SOURCE_DATE_EPOCH=$(EPOCH) \
	  --build-arg CREATED=$$(date -u -d @$(EPOCH) +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r $(EPOCH) +%Y-%m-%dT%H:%M:%SZ) .

# Go alone: an OCI layout for both platforms, tarballs for `docker load`, SBOMs.
image-oci: ## The image without any of them, into dist/image: PUSH=1 pushes it
	$(GO) -C deployments/image run . build --version $(VERSION) --revision "$(REVISION)" --created $(EPOCH) --tag $(IMAGE) $(if $(PUSH),--push)

manifests: ## Write what is made of the chart: its README, kustomize, its copies of dashboards and alerts
	$(GO) -C deployments/validate run . write

# What they look at is outside their modules, which go's cache does not watch.
deploy-check: ## Image, chart and manifests: built, rendered, strictly validated
	$(GO) -C deployments/image test -short -count=1 ./...
	$(GO) -C deployments/validate test -count=1 ./...

deploy-tools: ## A second opinion on the chart: helm 3 and 4, kustomize, kubectl-validate, kube-score
	deployments/validate/tools.sh

# Its build needs most of an hour of two cores, once; then it takes a minute.
test-apiserver: ## Install, upgrade and roll back the chart in a real API server, which it builds first
	@mkdir -p dist/tools
	HOGCAST_TOOLS=$(CURDIR)/dist/tools $(GO) -C deployments/apiserver test -count=1 -timeout 120m -v ./...

VALUES ?=
chart-check: ## Check the chart with values of yours: VALUES="a.yaml b.yaml"
	@$(GO) -C deployments/validate run . check $(abspath $(VALUES))

clean: ## Remove what was built
	rm -rf $(BIN) dist
