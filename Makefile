# Needs Go, make, git and a C compiler (for the race detector). All other tools are built from the Go modules that
# hack/tools pins, into bin/tools.

GO ?= go
# What is built or tested is decided by this file and by go.mod, not by the settings of the one who runs it.
export GOFLAGS := -mod=readonly -buildvcs=false
export GOWORK := off

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MODULE := github.com/sendforsign/sfs-operator
LDFLAGS := -s -w -X $(MODULE)/internal/version.Version=$(VERSION)

# For one package: make test PKG=./controllers TESTFLAGS='-run TestSfsClient -v'
PKG ?= ./...
TESTFLAGS ?=

TOOLS := $(CURDIR)/bin/tools
CONTROLLER_GEN := $(TOOLS)/controller-gen
GOLANGCI_LINT := $(TOOLS)/golangci-lint
KUSTOMIZE := $(TOOLS)/kustomize
HELM := $(TOOLS)/helm
ARGOCD := $(TOOLS)/argocd

CHART := charts/sfs-operator

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@echo 'Usage: make <target>'
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##@ Build

.PHONY: build
build: ## Build bin/sfs-operator
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/sfs-operator .

.PHONY: image
image: ## Build the container image (needs docker, or CONTAINER_TOOL=podman)
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) -t $(IMAGE) .
CONTAINER_TOOL ?= docker
IMAGE ?= sfs-operator:$(VERSION)

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

.PHONY: clean
clean: ## Remove all that was built here (the control plane stays in the user's cache)
	rm -rf bin dist

##@ Develop

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate the DeepCopy methods of the API types
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate the CRDs and the RBAC role from the Go code, and copy what the chart shares
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=sfs-operator paths=./controllers/... output:rbac:artifacts:config=config/rbac
	@rm -rf $(CHART)/files && mkdir -p $(CHART)/files/crd
	cp config/crd/bases/*.yaml $(CHART)/files/crd
	cp config/rbac/*role.yaml config/rbac/*roles.yaml $(CHART)/files

.PHONY: chart
chart: manifests ## Generate what the chart says of its values: the table of its README, and types of Kubernetes in its schema
	$(GO) -C test/chart test -count=1 -run '^(TestTheReadmeHasAllValues|TestTheSchemaKnowsTheTypesOfKubernetes)$$' . -args -update

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format all Go code
	$(GOLANGCI_LINT) fmt

.PHONY: vet
vet: ## Run go vet
	$(GO) vet ./...
	$(GO) -C test/argocd vet ./...
	$(GO) -C test/chart vet ./...
	$(GO) -C test/health vet ./...

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Lint all Go code, and the API types for the conventions of Kubernetes
	$(GOLANGCI_LINT) run
	$(GOLANGCI_LINT) run --config .golangci-kal.yml ./api/...
	cd test/argocd && $(GOLANGCI_LINT) run
	cd test/chart && $(GOLANGCI_LINT) run
	cd test/health && $(GOLANGCI_LINT) run

.PHONY: demo
demo: build ## Run the operator on a local control plane and a simulated Sendforsign (DEMO_FOR=2m ends it by itself)
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
	KUBEBUILDER_ASSETS="$$assets" CGO_ENABLED=1 $(GO) test -race -timeout 15m -p 2 $(TESTFLAGS) $(PKG)
ifeq ($(PKG),./...)
	@$(MAKE) --no-print-directory test-health test-chart
endif

.PHONY: test-health
test-health: ## Test what Argo CD and kstatus make of the resources (a part of test, in less than a second)
	$(GO) -C test/health test .

.PHONY: test-chart
test-chart: ## Test the Helm chart (a part of test; without the race detector: all that runs at once there is tested above)
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" CGO_ENABLED=0 $(GO) -C test/chart test -timeout 15m $(TESTFLAGS) ./...

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

# A campaign is a test that tries one promise at very many points: of each, its package and its name.
CAMPAIGNS := crash faults stale pairs clock zero-downtime hostile edits processes control-plane git restart
TEST_crash := ./controllers TestCampaignCrash
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

.PHONY: campaigns
campaigns: $(CAMPAIGNS:%=campaign-%) campaign-fuzz ## Run all campaigns whole, or one by its name, such as campaign-crash

.PHONY: $(CAMPAIGNS:%=campaign-%)
$(CAMPAIGNS:%=campaign-%): campaign-%:
	@assets="$$($(GO) run ./hack/controlplane)" || exit; \
	KUBEBUILDER_ASSETS="$$assets" CAMPAIGN=full CAMPAIGN_DIR='$(CURDIR)/bin/campaigns' \
		$(GO) test -count=1 -v -timeout 3h -run '^$(word 2,$(TEST_$*))$$' $(word 1,$(TEST_$*))

.PHONY: campaign-fuzz
campaign-fuzz: ## Run each fuzz target for FUZZ_FOR (30s)
	$(GO) run ./hack/fuzz -for $(FUZZ_FOR) -dir bin/campaigns ./sendforsign ./controllers ./internal/shape
FUZZ_FOR ?= 30s

.PHONY: verify
verify: ## Check that all generated files are committed, and that modules, format and code are clean
	@$(MAKE) --no-print-directory generate
	@$(MAKE) --no-print-directory manifests
	@$(MAKE) --no-print-directory verify-clean
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

.PHONY: verify-modules
verify-modules:
	@for dir in $$(git ls-files 'go.mod' '*/go.mod' | xargs -n 1 dirname); do \
		echo "$(GO) -C $$dir mod tidy -diff"; \
		$(GO) -C "$$dir" mod tidy -diff || { echo "verify: run go mod tidy in $$dir" >&2; exit 1; }; \
	done

.PHONY: verify-kustomize
verify-kustomize: $(KUSTOMIZE)
	@for file in $$(git ls-files 'config/*/kustomization.yaml'); do \
		if grep -q '^kind: Component' "$$file"; then continue; fi; \
		echo "kustomize build $${file%/*}"; \
		$(KUSTOMIZE) build "$${file%/*}" > /dev/null || exit; \
	done

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
