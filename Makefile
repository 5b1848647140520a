# CI calls these targets and nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VERSION ?= dev
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
TOOLS := go run ./integration/tools

.PHONY: help
help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/quoit, with the programs that BuildKit runs for it, and bin/quoit-frontend
	@go generate ./builder/runner
	@$(GO_BUILD) -o bin/ ./cmd/quoit ./cmd/quoit-frontend

.PHONY: up
up: build ## Start a registry and a BuildKit with the frontend in it, write .stack/env
	@$(TOOLS) up

.PHONY: up-cluster
up-cluster: build ## Start a Kubernetes of one node too, write KUBECONFIG to .stack/env
	@$(TOOLS) up-cluster

.PHONY: down-cluster
down-cluster: ## Stop the Kubernetes, leave the rest
	@$(TOOLS) down-cluster

# STORE=classic: with the classic image store instead of containerd's.
.PHONY: up-engine
up-engine: build ## Start a Docker Engine too, write DOCKER_HOST to .stack/env
	@$(TOOLS) up-$(if $(filter classic,$(STORE)),classic-)engine

.PHONY: down-engine
down-engine: ## Stop the Docker Engine, leave the rest
	@$(TOOLS) down-engine

.PHONY: down
down: ## Stop what `make up`, `make up-cluster` and `make up-engine` started
	@$(TOOLS) down

# What people install, wherever they do.
INSTALLED = $$(go list -deps ./cmd/quoit | grep quoitbuild/quoit)

.PHONY: lint
lint: ## Check the formatting, go vet (for macOS and Windows too), staticcheck, dead code
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go vet -tags stack ./...
	GOOS=darwin CGO_ENABLED=0 go vet $(INSTALLED)
	GOOS=windows CGO_ENABLED=0 go vet $(INSTALLED)
	@$(TOOLS) lint

.PHONY: prepare
prepare: ## Build BuildKit, registry, clients, Kubernetes and Docker Engine into the cache, unless they are there
	@$(TOOLS) prepare

.PHONY: generate
generate: ## Write the generated references anew
	go generate ./...

# The stories and parts are listed in integration/parts/table.go; `go run ./integration/parts`
# prints them.
PARTS := go run ./integration/parts

.PHONY: test
test: ## Check what must never break: lint, the quick tests, one story of each kind on real programs; as root
	@$(TOOLS) announce
	@$(MAKE) lint
	go test ./...
	@$(TOOLS) prepare
	@$(PARTS) stories

.PHONY: test-full
test-full: prepare ## Run all tests, in parts, those that cost least first; as root
	@$(PARTS) all

.PHONY: parts
parts: ## Print the parts of test-full; make part-NAME runs one of them
	@$(PARTS)

part-%: prepare
	@$(PARTS) $*

.PHONY: test-long
test-long: prepare ## Run all tests with the doses that take very long
	@$(PARTS) -long all

FUZZTIME ?= 30s

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s)
	@$(PARTS) -fuzz $(FUZZTIME)

# COVER_PARTS= leaves the real tests out; any parts can be named.
COVER_PARTS ?= stories

.PHONY: cover
cover: ## Print which share of each package's statements the quick and the real tests reach
	@rm -rf bin/cover && mkdir -p bin/cover/quick bin/cover/real
	GOCOVERDIR=$(CURDIR)/bin/cover/quick go test -count=1 -cover -coverpkg=./... ./... -args -test.gocoverdir=$(CURDIR)/bin/cover/quick
	@test -z "$(COVER_PARTS)" || { $(TOOLS) prepare && GOCOVERDIR=$(CURDIR)/bin/cover/real $(PARTS) $(COVER_PARTS); }
	@go run ./integration/cover bin/cover/quick bin/cover/real

.PHONY: bench
bench: ## Measure quoit beside bake, in turns, and write docs/bench; hours on a machine that does nothing else
	go run ./integration/bench

.PHONY: bench-quick
bench-quick: ## Measure the rows of every day (N=100) into bin/bench
	go run ./integration/bench -quick

.PHONY: demo
demo: build ## Show a release from manifest to registry, on a stack of its own unless one is up
	@was_up=; test -f .stack/env && was_up=yes; \
	$(TOOLS) up && . ./.stack/env && sh ./examples/demo.sh; status=$$?; \
	test -n "$$was_up" || $(TOOLS) down; exit $$status

.PHONY: demo-site
demo-site: build ## Show a site that is installed, upgraded and downgraded, on a stack and a Kubernetes of its own unless they are up
	@was_up=; test -f .stack/env && was_up=yes; \
	had_cluster=; test -n "$$was_up" && grep -q KUBECONFIG .stack/env && had_cluster=yes; \
	$(TOOLS) up && $(TOOLS) up-cluster && . ./.stack/env && sh ./examples/demo-site.sh; status=$$?; \
	if test -z "$$was_up"; then $(TOOLS) down; elif test -z "$$had_cluster"; then $(TOOLS) down-cluster; fi; exit $$status
