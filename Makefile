# Needs Go, make, git and a C compiler (for the race detector). All other tools are built from the Go modules that
# hack/tools pins, into bin/tools.

GO ?= go
# What is built or tested is decided by this file and by go.mod, not by the settings of the one who runs it.
export GOFLAGS := -mod=readonly -buildvcs=false
export GOWORK := off

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The time of the commit, for all that would else tell when it was built.
export SOURCE_DATE_EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),0)

# For one package: make test PKG=./controllers TESTFLAGS='-run TestSfsClient -v'
PKG ?= ./...
TESTFLAGS ?=

TOOLS := $(CURDIR)/bin/tools
CONTROLLER_GEN := $(TOOLS)/controller-gen
GOLANGCI_LINT := $(TOOLS)/golangci-lint
KUSTOMIZE := $(TOOLS)/kustomize
HELM := $(TOOLS)/helm
CYCLONEDX_GOMOD := $(TOOLS)/cyclonedx-gomod
ACTIONLINT := $(TOOLS)/actionlint
ARGOCD := $(TOOLS)/argocd

CHART := charts/sfs-operator

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@echo 'Usage: make <target>'
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-19s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##@ Build

.PHONY: build
build: ## Build bin/sfs-operator
	@GO=$(GO) VERSION=$(VERSION) hack/build bin/sfs-operator

.PHONY: cli
cli: ## Build bin/kubectl-sendforsign, the plugin of kubectl
	@GO=$(GO) VERSION=$(VERSION) hack/build bin/kubectl-sendforsign cli

# For one platform it stays on this machine, for several (which takes buildx) it goes to IMAGE_OUTPUT: into a file, or
# with type=registry to where IMAGE says. Modules come from where GOPROXY and GOSUMDB of the environment say, if they do.
.PHONY: image
image: ## Build the container image, for PLATFORMS such as linux/amd64,linux/arm64 (needs docker, or CONTAINER_TOOL=podman)
	@mkdir -p bin
	$(CONTAINER_TOOL) $(IMAGE_COMMAND) --build-arg BUILDER_IMAGE=$(BUILDER_IMAGE) --build-arg BASE_IMAGE=$(BASE_IMAGE) \
		--build-arg VERSION=$(VERSION) --build-arg SOURCE_DATE_EPOCH \
		--build-arg GOPROXY --build-arg GOSUMDB -t $(IMAGE) .
CONTAINER_TOOL ?= docker
IMAGE ?= sfs-operator:$(VERSION)
# The Go that is used here, so that the binary in the image is the one that make release writes.
BUILDER_IMAGE ?= golang:$(patsubst go%,%,$(firstword $(shell $(GO) env GOVERSION)))
BASE_IMAGE ?= scratch
PLATFORMS ?=
IMAGE_OUTPUT ?= type=oci,dest=bin/sfs-operator-image.tar,rewrite-timestamp=true
comma := ,
IMAGE_COMMAND = $(if $(findstring $(comma),$(PLATFORMS)),buildx build --output $(IMAGE_OUTPUT),build) \
	$(if $(PLATFORMS),--platform $(PLATFORMS))

# The version of a chart has three numbers, whatever the operator is called by.
CHART_VERSION = $(shell echo '$(VERSION)' | sed -E '/^v?[0-9]+\.[0-9]+\.[0-9]+/!s/^/0.0.0-g/; s/^v//')

.PHONY: dist
dist: manifests $(KUSTOMIZE) $(HELM) ## Write dist/install.yaml, for IMAGE, and the package of the chart, for VERSION
	@rm -rf dist && mkdir -p dist/build
	@echo 'resources: [../../config/default]' > dist/build/kustomization.yaml
	cd dist/build && $(KUSTOMIZE) edit set image sfs-operator=$(IMAGE)
	$(KUSTOMIZE) build dist/build > dist/install.yaml
	@rm -r dist/build
	$(HELM) package $(CHART) --version $(CHART_VERSION) --app-version $(VERSION) --destination dist

.PHONY: sbom
sbom: $(CYCLONEDX_GOMOD) ## Write the binaries, of the plugin for each system, and an SBOM (CycloneDX) of each into dist
	@mkdir -p dist
	@build() { \
		GO=$(GO) VERSION=$(VERSION) GOOS=$$3 GOARCH=$$4 hack/build $$1 $$2 && \
		$(CYCLONEDX_GOMOD) bin -json -std -noserial -notimestamp -version $(VERSION) -output $$1.cdx.json $$1; \
	}; \
	for arch in amd64 arm64; do \
		build dist/sfs-operator-linux-$$arch . linux $$arch && \
		build dist/kubectl-sendforsign-linux-$$arch cli linux $$arch && \
		build dist/kubectl-sendforsign-darwin-$$arch cli darwin $$arch && \
		build dist/kubectl-sendforsign-windows-$$arch.exe cli windows $$arch || exit; \
	done
	$(GO) run ./hack/release check dist

# What is checked first is checked once more: making it may have generated something that is not committed.
.PHONY: release
release: ## Write all that is handed out for VERSION=v1.2.3 into dist, always the same from the same commit
	@$(MAKE) --no-print-directory release-check
	@$(MAKE) --no-print-directory dist
	@$(MAKE) --no-print-directory sbom
	@$(MAKE) --no-print-directory release-check
	$(GO) run ./hack/release finish dist $(SOURCE_DATE_EPOCH)
	@cat dist/SHA256SUMS

# Files that git ignores count as well: Helm would pack them.
SEMVER := ^v(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?$$
.PHONY: release-check
release-check:
	@echo '$(VERSION)' | grep -Eq '$(SEMVER)' || \
		{ echo 'release: VERSION=$(VERSION) is not a version such as v1.2.3 or v1.2.3-rc.1' >&2; exit 1; }
	@dirty="$$(git status --porcelain --untracked-files=all --ignored | grep -Ev '^!! (bin|dist)/')"; \
	if [ -n "$$dirty" ]; then \
		printf 'release: there is more, or less, than what is committed:\n%s\n' "$$dirty" >&2; exit 1; \
	fi

.PHONY: clean
clean: ## Remove all that was built here (the control plane stays in the user's cache)
	rm -rf bin dist

##@ Develop

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate the DeepCopy methods of the API types, and what the plugin says of their reasons
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(GO) run ./hack/advice cli/internal/advice/zz_generated.advice.go

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate the CRDs and the RBAC role from the Go code, and copy what the chart and the plugin share
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=sfs-operator paths=./controllers/... output:rbac:artifacts:config=config/rbac
	@rm -rf $(CHART)/files && mkdir -p $(CHART)/files/crd
	cp config/crd/bases/*.yaml $(CHART)/files/crd
	cp config/rbac/*role.yaml config/rbac/*roles.yaml $(CHART)/files
	cp config/rbac/role.yaml cli/internal/doctor
	cp config/components/prometheus-rule/prometheus_rule.yaml config/components/grafana-dashboard/dashboard.json $(CHART)/files

.PHONY: chart
chart: manifests ## Generate what the chart says of its values: the table of its README, and types of Kubernetes in its schema
	$(GO) -C test/chart test -count=1 -run '^(TestTheReadmeHasAllValues|TestTheSchemaKnowsTheTypesOfKubernetes)$$' . -args -update

.PHONY: docs
docs: manifests ## Generate what the documentation says of fields, conditions, reasons and states
	$(GO) run ./hack/docs

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format all Go code
	$(GOLANGCI_LINT) fmt

.PHONY: vet
vet: ## Run go vet
	$(GO) vet ./...
	$(GO) -C cli vet ./...
	$(GO) -C hack/links vet ./...
	$(GO) -C test/argocd vet ./...
	$(GO) -C test/chart vet ./...
	$(GO) -C test/health vet ./...
	CGO_ENABLED=0 $(GO) -C test/monitoring vet ./...
	CGO_ENABLED=0 $(GO) -C test/statemetrics vet ./...

.PHONY: lint
lint: $(GOLANGCI_LINT) $(ACTIONLINT) ## Lint all Go code, the API types for the conventions of Kubernetes, and the workflows
	$(ACTIONLINT) -shellcheck= -pyflakes=
	$(GOLANGCI_LINT) run
	$(GOLANGCI_LINT) run --config .golangci-kal.yml ./api/...
	cd cli && $(GOLANGCI_LINT) run
	cd hack/links && $(GOLANGCI_LINT) run
	cd test/argocd && $(GOLANGCI_LINT) run
	cd test/chart && $(GOLANGCI_LINT) run
	cd test/health && $(GOLANGCI_LINT) run
	@# As they are tested, so that what they need is built once.
	cd test/monitoring && CGO_ENABLED=0 $(GOLANGCI_LINT) run
	cd test/statemetrics && CGO_ENABLED=0 $(GOLANGCI_LINT) run

.PHONY: demo
demo: build $(if $(FAULT),cli) ## Run the operator on a local control plane and a simulated Sendforsign (DEMO_FOR=2m ends it, FAULT=name breaks it)
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/demo ./hack/demo
	@# Ctrl-C reaches the demo too, which cleans up. The shell waits for that, and 130 is no failure.
	@trap : INT; \
	assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" bin/demo; \
	status=$$?; [ $$status -eq 130 ] || exit $$status

##@ Check

.PHONY: test
test: ## Run all tests with the race detector, on a real control plane
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" CGO_ENABLED=1 $(GO) test -race -timeout 20m -p 2 $(TESTFLAGS) $(PKG)
ifeq ($(PKG),./...)
	@$(MAKE) --no-print-directory test-links test-health test-monitoring test-chart test-cli
endif

.PHONY: test-links
test-links: ## Test what checks the links of the documentation (a part of test, in less than a second)
	$(GO) -C hack/links test .

.PHONY: test-health
test-health: ## Test what Argo CD and kstatus make of the resources (a part of test, in less than a second)
	$(GO) -C test/health test .

.PHONY: test-monitoring
test-monitoring: ## Test alerts, dashboard and pages of the metrics, and what kube-state-metrics tells (a part of test)
	CGO_ENABLED=0 $(GO) -C test/monitoring test $(TESTFLAGS) .
	CGO_ENABLED=0 $(GO) -C test/statemetrics test $(TESTFLAGS) .

.PHONY: test-chart
test-chart: ## Test the Helm chart (a part of test; without the race detector: all that runs at once there is tested above)
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" CGO_ENABLED=0 $(GO) -C test/chart test -timeout 15m $(TESTFLAGS) ./...

.PHONY: test-cli
test-cli: ## Test the plugin of kubectl (a part of test; without the race detector: it does one thing after the other)
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" CGO_ENABLED=0 $(GO) -C cli test -timeout 15m $(TESTFLAGS) ./...

.PHONY: transcripts
transcripts: ## Write what the plugin shows, there and in docs/cli.md (after a change that is meant)
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" CGO_ENABLED=0 $(GO) -C cli test -count=1 ./internal/command -update

# Who starts it waits for long, and sees on the way what each test has to say. They run all at once, and mostly wait.
.PHONY: test-argocd
test-argocd: $(ARGOCD) $(KUSTOMIZE) ## Have Argo CD itself keep tenants whose tokens rotate for ROTATE_FOR (10m; no part of test)
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" ARGOCD='$(ARGOCD)' KUSTOMIZE='$(TOOLS)' ROTATE_FOR='$(ROTATE_FOR)' CGO_ENABLED=0 \
		$(GO) -C test/argocd test -count=1 -v -parallel 16 -timeout 3h $(TESTFLAGS) .
ROTATE_FOR ?= 10m

.PHONY: states
states: ## Write the golden states of the resources and their Secrets, and what is made of them (after a change that is meant)
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" $(GO) test -count=1 -run '^(TestStates|TestTheDefaultKeysAreThoseOfTheGoldenFile)$$' ./controllers -update
	$(GO) -C test/health test -count=1 . -update

.PHONY: recordings
recordings: ## Write what the metrics say under each failure of make demo FAULT, by which the alerts are tested (some minutes)
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" $(GO) test -count=1 -v -timeout 30m -run '^TestEachFaultIsNamed$$' ./test -update

# A campaign is a test that tries one promise at very many points: of each, its package and its name.
CAMPAIGNS := crash oauth faults stale pairs clock zero-downtime hostile edits processes control-plane git restart shards
TEST_crash := ./controllers TestCampaignCrash
TEST_oauth := ./controllers TestCampaignOAuth
TEST_faults := ./controllers TestCampaignFaults
TEST_stale := ./controllers TestCampaignStale
TEST_pairs := ./controllers TestCampaignPairs
TEST_clock := ./controllers TestCampaignClock
TEST_zero-downtime := ./controllers TestCampaignZeroDowntime
TEST_hostile := ./controllers TestCampaignHostileAnswers
TEST_edits := ./controllers TestCampaignSpecEdits
TEST_processes := ./test TestTwoProcesses
TEST_control-plane := ./test TestControlPlaneAway
TEST_git := ./test TestGitIsEnough
TEST_restart := ./test TestRestartIsFree
TEST_shards := ./test TestTenantsMoveBetweenShards

.PHONY: campaigns
campaigns: $(CAMPAIGNS:%=campaign-%) campaign-fuzz ## Run all campaigns whole, or one by its name, such as campaign-crash

.PHONY: $(CAMPAIGNS:%=campaign-%)
$(CAMPAIGNS:%=campaign-%): campaign-%:
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" CAMPAIGN=full CAMPAIGN_DIR='$(CURDIR)/bin/campaigns' \
		$(GO) test -count=1 -v -timeout 3h -run '^$(word 2,$(TEST_$*))$$' $(word 1,$(TEST_$*))

.PHONY: campaign-fuzz
campaign-fuzz: ## Run each fuzz target for FUZZ_FOR (30s)
	$(GO) run ./hack/fuzz -for $(FUZZ_FOR) -dir bin/campaigns ./sendforsign ./oauth ./internal/wire ./controllers ./internal/shape
FUZZ_FOR ?= 30s

# What runs is counted by what it uses of the machine, so nothing else should run on it.
.PHONY: bench
bench: bench-build ## Measure the operator beside a bare probe and External Secrets (half an hour; BENCH=flags of hack/bench)
	@$(BENCH_RUN) $(BENCH)

.PHONY: bench-full
bench-full: bench-build ## The same with 3,000 and 10,000 tenants, and the operator alone with 100,000 (some hours)
	@$(BENCH_RUN) -tenants=3000 -window=60s -idle=60s $(BENCH)
	@$(BENCH_RUN) -tenants=10000 -window=60s -idle=60s $(BENCH)
	@$(BENCH_RUN) -tenants=100000 -contenders=operator -phases=first-sync,idle,drift,restart,cycle -memory-limit=900MiB -once $(BENCH)

.PHONY: bench-build
bench-build:
	@mkdir -p bin/bench
	@GO=$(GO) VERSION=$(VERSION) hack/build bin/bench/operator
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/bench/ ./hack/bench ./hack/bench/probe ./hack/simulator
BENCH ?=

# As make demo: Ctrl-C reaches it too, and it cleans up.
BENCH_RUN = trap : INT; assets="$$($(GO) run ./hack/controlplane)" || exit; KUBEBUILDER_ASSETS="$$assets" bin/bench/bench

.PHONY: bench-micro
bench-micro: ## Benchmark what is computed in each pass, as benchstat reads it (COUNT=10 times)
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" $(GO) test -run '^$$' -bench . -skip '^BenchmarkCachedObjects$$' -benchmem -count $(COUNT) \
		./controllers ./internal/conditions ./internal/shape ./internal/token
COUNT ?= 10

.PHONY: verify
verify: ## Check that all generated files are committed, and that links, modules, format and code are clean
	@$(MAKE) --no-print-directory generate
	@$(MAKE) --no-print-directory docs
	@$(MAKE) --no-print-directory verify-clean
	@$(MAKE) --no-print-directory verify-links
	@$(MAKE) --no-print-directory verify-modules
	@$(MAKE) --no-print-directory verify-kustomize
	@$(MAKE) --no-print-directory vet
	@$(MAKE) --no-print-directory lint

# gofmt first: it names the file, where git would only say that something differs.
.PHONY: verify-clean
verify-clean:
	@unformatted="$$(git ls-files -z '*.go' | xargs -0 gofmt -s -l)"; \
	if [ -n "$$unformatted" ]; then \
		printf 'verify: not formatted, run `make fmt`:\n%s\n' "$$unformatted" >&2; exit 1; \
	fi
	@dirty="$$(git status --porcelain --untracked-files=all)"; \
	if [ -n "$$dirty" ]; then \
		printf 'verify: these files are not committed, or were out of date and have just been generated:\n%s\n' "$$dirty" >&2; \
		git --no-pager diff --stat >&2; exit 1; \
	fi

# Between the pages, and to files and headings; other sites are not asked.
.PHONY: verify-links
verify-links:
	@$(GO) -C hack/links run . -root '$(CURDIR)' $$(git ls-files '*.md')

.PHONY: verify-modules
verify-modules:
	@for dir in $$(git ls-files 'go.mod' '*/go.mod' | xargs -n 1 dirname); do \
		echo "$(GO) -C $$dir mod tidy -diff"; \
		$(GO) -C "$$dir" mod tidy -diff || { echo "verify: run go mod tidy in $$dir" >&2; exit 1; }; \
	done
	@# Of what ships: that the files in the module cache are still those of the checksums.
	$(GO) mod verify
	$(GO) -C cli mod verify

# Not a part of verify, since it compiles all that the operator is made of twice more, which takes some minutes.
.PHONY: verify-reproducible
verify-reproducible: ## Check that the same commit gives the same static binaries, wherever it is built
	$(GO) run ./hack/release reproduce

.PHONY: verify-kustomize
verify-kustomize: $(KUSTOMIZE)
	@for file in $$(git ls-files 'config/*/kustomization.yaml'); do \
		if grep -q '^kind: Component' "$$file"; then continue; fi; \
		echo "kustomize build $${file%/*}"; \
		$(KUSTOMIZE) build "$${file%/*}" > /dev/null || exit; \
	done

# By the name that one types, such as bin/tools/helm.
bin/tools/%: $(TOOLS)/% ;

# Each tool is a module of its own, so that it is built with the dependencies that it was released with, and built
# again only when its pins change. Tools run on this machine, whatever the operator is built for.
TOOL_BUILD = env -u GOOS -u GOARCH CGO_ENABLED=0 $(GO) -C hack/tools/$(@F) build -trimpath -ldflags '-s -w' -o $@

$(CONTROLLER_GEN): hack/tools/controller-gen/go.mod hack/tools/controller-gen/go.sum
	$(TOOL_BUILD) sigs.k8s.io/controller-tools/cmd/controller-gen

$(KUSTOMIZE): hack/tools/kustomize/go.mod hack/tools/kustomize/go.sum
	$(TOOL_BUILD) sigs.k8s.io/kustomize/kustomize/v5

$(HELM): hack/tools/helm/go.mod hack/tools/helm/go.sum
	$(TOOL_BUILD) helm.sh/helm/v3/cmd/helm

$(ARGOCD): hack/tools/argocd/go.mod hack/tools/argocd/go.sum hack/tools/argocd/main.go
	@echo 'Building Argo CD, which takes some minutes the first time.'
	$(TOOL_BUILD) .

$(GOLANGCI_LINT): hack/tools/golangci-lint/go.mod hack/tools/golangci-lint/go.sum hack/tools/golangci-lint/main.go
	@echo 'Building golangci-lint, which takes some minutes the first time.'
	$(TOOL_BUILD) .

$(CYCLONEDX_GOMOD): hack/tools/cyclonedx-gomod/go.mod hack/tools/cyclonedx-gomod/go.sum
	$(TOOL_BUILD) github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

$(ACTIONLINT): hack/tools/actionlint/go.mod hack/tools/actionlint/go.sum
	$(TOOL_BUILD) github.com/rhysd/actionlint/cmd/actionlint
