# `make help` is the index of what people do here.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# The go command uses every core by itself, and `generate` must not write files that tests are reading.
.NOTPARALLEL:

GO ?= go
# What is built and tested; narrow it to work on one room: make test-short PKG=./engine/...
PKG ?= ./...
# Packages whose tests run under the race detector in `make test`: those that start goroutines or are used from several.
RACE_PKG ?= ./policy/... ./engine/... ./internal/agent/... ./internal/gate/... ./internal/journal/... ./internal/kube/... ./internal/render/... ./internal/sink/... ./internal/hub/auth/... ./internal/hub/changes/... ./internal/hub/events/...
# How many times each benchmark runs (benchstat wants at least 6), which benchmarks, and what bench-compare compares with.
COUNT ?= 1
BENCH ?= .
BASE ?= main
# Real policies and manifests for the benchmarks, when they lie beside the checkout (CONTRIBUTING.md says what is in there).
OBJECTS ?= 100000
FINDINGS ?= 100000
EVENTS ?= 1000000
ASKS ?= 100
DATA ?= $(abspath $(wildcard ../shared/data))
# How long each fuzz target runs.
FUZZTIME ?= 20s
TEST_TIMEOUT ?= 20m

# A release sets VERSION; a build from a checkout is named after its commit.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS = -s -w -X main.version=$(VERSION)
TOOL = $(GO) tool -modfile=tools/go.mod
STEP = tools/step

# Licences of modules that may be linked into the binary; docs/licences.md says why these.
LICENCES = Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT,MPL-2.0,Unlicense,CC0-1.0
# Modules whose licence is stated elsewhere than in a licence file; docs/licences.md names the place.
LICENCE_STATED_ELSEWHERE = github.com/openreports/reports-api

##@ Use
.PHONY: help
help: ## Explain every target
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z-]*:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# The example is wrong on purpose, so exit code 1 (violations) is what it should end with; 2 would be a failure.
.PHONY: run
run: build ## Build assay and check the example repository with the policies that ship
	@bin/assay check examples/shop || [ $$? -eq 1 ]

.PHONY: build
build: ## Build bin/assay
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/assay ./cmd/assay

# What npm installs is as package-lock.json says; it is installed again when that changes.
web/node_modules/.package-lock.json: web/package-lock.json
	@tools/node
	@npm --prefix web ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: web
web: web/node_modules/.package-lock.json ## Build the user interface, which `make build` then has in it (needs Node.js)
	@npm --prefix web run --silent build

##@ Test
.PHONY: test
test: lint licences web-test unit race library check-generated e2e ## Everything a change must pass (what CI runs)

.PHONY: test-short
test-short: ## Unit tests without the slow ones, for while you work (PKG=./engine/...)
	@$(GO) test -short -timeout $(TEST_TIMEOUT) $(PKG)

.PHONY: unit
unit: build ## All unit tests, the command line's stories and the documentation's examples
	@$(STEP) 'unit tests' $(GO) test -timeout $(TEST_TIMEOUT) $(PKG)
	@$(STEP) 'unit tests of the tools' $(GO) test -C tools ./...

.PHONY: web-test
web-test: web/node_modules/.package-lock.json ## Formatting, types, lint and unit tests of the user interface, and that it can be built (needs Node.js)
	@$(STEP) 'web: formatting' npm --prefix web run --silent format:check
	@$(STEP) 'web: eslint' npm --prefix web run --silent lint
	@$(STEP) 'web: types of the API' tools/unchanged npm --prefix web run --silent generate
	@$(STEP) 'web: unit tests' npm --prefix web test
	@$(STEP) 'web: build' $(MAKE) --no-print-directory web

.PHONY: race
race: ## Unit tests of the concurrent packages under the race detector (RACE_PKG=./engine/...)
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ]; then \
	  $(STEP) 'race detector' $(GO) test -race -short -timeout $(TEST_TIMEOUT) $(RACE_PKG); \
	elif [ -n "$${CI:-}" ]; then \
	  echo 'race: the race detector needs a C compiler, and CI must not go without' >&2; exit 1; \
	else \
	  echo 'race: SKIPPED, the race detector needs a C compiler' >&2; \
	fi

.PHONY: soak
soak: ## Five million results through the journal and two sinks (minutes)
	@ASSAY_SOAK=5000000 $(GO) test -count=1 -v -timeout 60m -run '^TestSoak$$' ./internal/sink

.PHONY: library
library: build ## Tests of the policies that ship, by assay itself
	@$(STEP) 'library' bin/assay test library

# The control plane is built from its Go modules: minutes the first time, seconds afterwards. Only the packages that do not
# hold Kubernetes itself are vetted, since vet would analyse all of it.
.PHONY: e2e
e2e: ## Tests against a real Kubernetes API server (builds it: minutes the first time)
	@$(STEP) 'go vet of e2e' env CGO_ENABLED=0 $(GO) vet -C e2e . ./cluster ./release ./cmd/cluster ./gitserver ./flux ./identity ./search ./cmd/search ./fuzz ./scene
	@$(STEP) 'go vet of the identity provider' env CGO_ENABLED=0 $(GO) vet -C e2e/identity/server .
	@$(STEP) 'chart and Git server' env CGO_ENABLED=0 $(GO) test -C e2e ./release ./gitserver
	@$(STEP) 'real search servers' env CGO_ENABLED=0 $(GO) test -C e2e -timeout 30m ./search
	@$(STEP) 'real API server' env CGO_ENABLED=0 $(GO) test -C e2e -timeout 45m .

.PHONY: cluster
cluster: ## Start a real Kubernetes API server for yourself, and print its KUBECONFIG (AGENT=1: with the agent in it)
	@cd e2e && CGO_ENABLED=0 $(GO) build -o bin/cluster ./cmd/cluster && exec bin/cluster $(if $(AGENT),-agent)

.PHONY: hub
hub: web ## Start a hub for yourself beside a real API server, with an agent, teams and what was found (FINDINGS=100000 of other clusters)
	@cd e2e && CGO_ENABLED=0 $(GO) build -o bin/cluster ./cmd/cluster && exec bin/cluster -hub $(if $(filter command,$(origin FINDINGS)),-findings $(FINDINGS))

.PHONY: search-server
search-server: ## Start a real OpenSearch for yourself, and print its URL (PRODUCT=elasticsearch; needs Java and Maven)
	@cd e2e && CGO_ENABLED=0 $(GO) build -o bin/search-server ./cmd/search && exec bin/search-server $(if $(PRODUCT),-product $(PRODUCT))

.PHONY: test-data
test-data: ## Tests that need real repositories and policies (ASSAY_DATA=/absolute/folder, see CONTRIBUTING.md)
	@[ -d "$${ASSAY_DATA:?set it to the absolute path of the data folder}" ]
	@$(STEP) 'real repositories and policies' $(GO) test -timeout $(TEST_TIMEOUT) $(PKG)

.PHONY: fuzz-api
fuzz-api: ## Ask the hub's API what its document allows and what not (ASSAY_FUZZ_EXAMPLES=1000 ASSAY_FUZZ_SEED=7; needs Python)
	@CGO_ENABLED=0 $(GO) test -C e2e -count=1 -v -timeout 24h -run '^TestTheHubIsFuzzed$$' .

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME=20s
	@GO='$(GO)' tools/fuzz $(FUZZTIME)

##@ Measure
.PHONY: bench
bench: build ## Benchmarks, in benchstat's format (PKG=./engine/... BENCH=Judge COUNT=6)
	@ASSAY_DATA="$${ASSAY_DATA:-$(DATA)}" $(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 60m $(PKG) | grep -v -e 'no test files' -e '^?'

.PHONY: bench-compare
bench-compare: ## Benchmarks of the working tree against those of BASE=main (PKG=./engine/... COUNT=6)
	@ASSAY_DATA="$${ASSAY_DATA:-$(DATA)}" GO='$(GO)' tools/bench-compare '$(BASE)' '$(PKG)' '$(BENCH)' $(COUNT)

.PHONY: bench-hub
bench-hub: ## What a hub with SQLite takes, with FINDINGS=1000000 EVENTS=10000000 half an hour (ASKS=100)
	@ASSAY_HUB_FINDINGS='$(FINDINGS)' ASSAY_HUB_EVENTS='$(EVENTS)' ASSAY_HUB_ASKS='$(ASKS)' $(GO) test -run '^$$' -bench '^BenchmarkHub$$' -benchtime 1x -count $(COUNT) -timeout 300m ./internal/hub/api

# One replica with all policies, asked through a real API server and straight; needs the control plane of e2e.
.PHONY: bench-audit
bench-audit: ## A first full audit of OBJECTS=100000 in a real API server, and what changes cost
	@ASSAY_BENCH_OBJECTS='$(OBJECTS)' ASSAY_DATA="$${ASSAY_DATA:-$(DATA)}" CGO_ENABLED=0 $(GO) test -C e2e -run '^$$' -bench '^BenchmarkAudit$$' -count 1 -benchtime 1x -timeout 120m .

.PHONY: bench-admission
bench-admission: ## What the agent adds to a request of a real API server, in benchstat's format (COUNT=6)
	@ASSAY_DATA="$${ASSAY_DATA:-$(DATA)}" CGO_ENABLED=0 $(GO) test -C e2e -run '^$$' -bench Admission -count $(COUNT) -timeout 60m .

##@ Change
.PHONY: generate
generate: ## Write everything that is generated: deep copies, CRDs, documentation
	@$(GO) generate ./...

.PHONY: check-generated
check-generated: ## Fail if `make generate` would change a file
	@$(STEP) 'generated files' tools/unchanged $(MAKE) --no-print-directory generate

.PHONY: fmt
fmt: ## Format Go sources
	@gofmt -s -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: lint
lint: ## gofmt, go vet and staticcheck
	@$(STEP) 'gofmt' tools/formatted
	@$(STEP) 'go vet' $(GO) vet ./...
	@$(STEP) 'staticcheck' $(TOOL) staticcheck ./...

.PHONY: licences
licences: ## Fail if the binary would link a module whose licence is not allowed
	@$(STEP) 'licences' $(TOOL) go-licenses check --logtostderr=false --log_file=/dev/null --stderrthreshold=ERROR \
	  --ignore github.com/assay-gitops/assay \
	  --ignore $(LICENCE_STATED_ELSEWHERE) --allowed_licenses $(LICENCES) ./cmd/...

.PHONY: clean
clean: ## Remove what was built
	@rm -rf bin dist .cache
